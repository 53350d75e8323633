"""Measurements: `python -m bench NAME`; one module per question."""
