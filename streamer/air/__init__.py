"""Who is heard where: the zone tree and the arbiter; pure."""
