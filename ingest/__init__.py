"""Sources: what produces a programme's PCM."""
