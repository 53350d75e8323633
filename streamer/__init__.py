"""Loacast's server: live audio, encoded once, heard by thousands."""

__version__ = "0.1.0"
