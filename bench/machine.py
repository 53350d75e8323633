"""What a bench ran on: CPU, kernel, versions, load, and the commit measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from streamer.media.opus import libopus_version

LIBRARIES = (
    *("aiortc", "cryptography", "pylibsrtp", "pyopenssl"),
    *("av", "numpy", "opuslib", "samplerate", "uvicorn", "uvloop", "websockets"),
)
"Distributions whose version can move a number."

_ROOT = Path(__file__).parents[1]


def describe() -> dict[str, Any]:
    """Return the machine as it is now; call it before the first load."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "libopus": libopus_version(),
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def commit(root: Path = _ROOT) -> str:
    """Return the commit checked out in *root*, "-dirty" when files differ from it.

    "unknown" where git or its history is missing.
    """
    command = ("git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*")
    try:
        answer = subprocess.run(
            command, cwd=root, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def _field(path: Path, name: str) -> str:
    """Return what stands behind *name* and a colon in *path*, or nothing."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    values = (line.split(":", 1)[1].strip() for line in lines if line.startswith(name))
    return next(values, "")


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
