"""Where broadcasts start and end: source, programme, arbiter, bus, records."""
