"""Bytes to messages and back, as FORMAT.md says; sans-I/O, standard library only."""
