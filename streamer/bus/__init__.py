"""How packets and the state of the air travel from the studio to the fan-outs."""
