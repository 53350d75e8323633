"""The pages' pure modules, tested by node's own test runner where there is a node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")


@pytest.mark.skipif(
    NODE is None, reason="no node here: the pages' unit tests are left out"
)
@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.js")), ids=lambda p: p.stem)
def test_pure_modules(path: Path) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
