"""What is silent: the kill switch's names, as zones of a tree (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from streamer.air.zones import ZoneSet, ZoneTree, run

EVERYWHERE = "*"
"""Stands for all zones, also for those that come later. No zone has such an id."""


def silent_zones(tree: ZoneTree, silences: Collection[str]) -> ZoneSet:
    """Return which zones of *tree* are silent; names that are not there wait."""
    if EVERYWHERE in silences:
        return run(0, len(tree))
    return tree.cover(each for each in silences if each in tree)


def is_silent(path: Iterable[str], silences: Collection[str]) -> bool:
    """Return whether a zone is silent, given it and all above it."""
    return EVERYWHERE in silences or any(each in silences for each in path)
