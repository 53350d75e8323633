"""`python -m streamer` is `loacast`."""

from __future__ import annotations

from streamer.cli import app

if __name__ == "__main__":
    app(prog_name="loacast")
