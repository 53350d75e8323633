"""Audio values, codec and pure timing; sans-I/O: time is an argument."""
