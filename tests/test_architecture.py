"""Who may import whom, as a test (README.md explains the table)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("streamer", "ingest", "clients", "bench")

WIRE, MEDIA, PROGRAMME = "streamer.wire", "streamer.media", "streamer.programme"
AIR, BUS, FANOUT = "streamer.air", "streamer.bus", "streamer.fanout"
STORE, STUDIO, API = "streamer.store", "streamer.studio", "streamer.api"
METRICS, CONFIG = "streamer.metrics", "streamer.config"

# Of our own packages, a module may import those named here, and no others.
# The most specific key wins; a name stands for all that is below it.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "streamer": (),
    "streamer.__main__": OURS,
    "streamer.app": OURS,
    "streamer.cli": OURS,
    WIRE: (WIRE,),
    MEDIA: (MEDIA, WIRE),
    PROGRAMME: (PROGRAMME, MEDIA, WIRE),
    AIR: (AIR, MEDIA, WIRE),
    BUS: (BUS, MEDIA, WIRE),
    FANOUT: (FANOUT, BUS, MEDIA, WIRE, METRICS),
    STORE: (STORE, AIR, WIRE),
    STUDIO: (STUDIO, PROGRAMME, AIR, BUS, STORE, MEDIA, WIRE, METRICS),
    API: (API, STUDIO, FANOUT, STORE, AIR, MEDIA, WIRE, METRICS, CONFIG),
    "ingest": ("ingest", MEDIA, WIRE),
    "clients": ("clients", MEDIA, WIRE),
    "bench": OURS,
}
# The core is handed time, bytes and randomness; it never fetches them. The named
# modules are the adapters that own a thread or a file.
SANS_IO = (WIRE, MEDIA, PROGRAMME, AIR)
ADAPTERS = ("streamer.programme.thread", "streamer.programme.recorder")
IMPURE = {"asyncio", "time", "socket", "threading", "random", "secrets"}
# The base install is a speaker: it must start where none of these is installed.
SERVER_ONLY = {"aiortc", "fastapi", "sqlalchemy", "uvicorn", "pydantic", "uvloop"}
SPEAKER = ("clients.speaker", WIRE, MEDIA)
# Loaded only when a speaker is about to use WebRTC: the extra `loacast[webrtc]`.
WEBRTC = ("clients.speaker.webrtc", "streamer.media.rtptap")

MODULES = sorted(path for top in OURS for path in (ROOT / top).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Modules named by the import statements of *path*; relative ones are banned."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def roots_of(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imports_of(path)}


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(f"{p}.") for p in packages)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_inwards(path: Path) -> None:
    key = max((key for key in MAY_IMPORT if within(name_of(path), (key,))), key=len)
    ours = {module for module in imports_of(path) if within(module, OURS)}
    allowed = MAY_IMPORT[key]
    # The bare package holds the version and nothing else.
    assert {m for m in ours if m != "streamer" and not within(m, allowed)} == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_core_fetches_nothing(path: Path) -> None:
    name = name_of(path)
    if within(name, SANS_IO) and name not in ADAPTERS:
        assert roots_of(path) & IMPURE == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_wire_needs_only_the_standard_library(path: Path) -> None:
    if within(name_of(path), (WIRE,)):
        assert roots_of(path) <= sys.stdlib_module_names | {"streamer"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_speaker_needs_nothing_of_the_server(path: Path) -> None:
    name = name_of(path)
    if within(name, SPEAKER):
        allowed = {"aiortc"} if name in WEBRTC else set()
        assert roots_of(path) & SERVER_ONLY <= allowed


def test_a_speaker_starts_where_the_server_is_not_installed() -> None:
    """Also what is imported by what it imports, and what it imports later."""
    script = f"""
import sys
for name in {sorted(SERVER_ONLY)!r}:
    sys.modules[name] = None  # importing it raises ModuleNotFoundError
import clients.speaker.app, streamer.cli
assert not set({WEBRTC!r}) & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_every_package_is_looked_at() -> None:
    assert {name_of(path).split(".")[0] for path in MODULES} == set(OURS)
