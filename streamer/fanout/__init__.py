"""Listeners: which packets each is due, and how they reach its socket."""
