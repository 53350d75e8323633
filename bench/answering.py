"""What every command of the bench does with what it found."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from bench import machine, report

console = Console(stderr=True, highlight=False)
commit = cache(machine.commit)  # before a results file of an earlier run is changed

Question: TypeAlias = Callable[[], list[report.Row]]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Where to write what was found.")
]


def answer(bench: str, question: Question, file: Path | None) -> None:
    """Measure, show and write; the machine is looked at before it is loaded."""
    at_commit, before = commit(), machine.describe()
    content = report.document(bench, at_commit, before, question())
    report.show(Console(), content)
    if file is not None:
        report.write(file, content)
        console.print(f"written to {file}")
