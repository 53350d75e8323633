"""What must not be played from the disk, though it is there.

Two things that the server knows and the plan does not say: that the zone was silenced,
and that something planned was refused or stopped.
"""

from __future__ import annotations

import logging

from clients.speaker.choosing import left_out
from clients.speaker.notebook import Notebook, Played
from clients.speaker.pantry import Pantry
from streamer.wire.documents import Item

_log = logging.getLogger(__name__)


class Restraint:
    """Says what must not be played; the notebook keeps it.

    Args:
        pantry: Has the manifest.
        notebook: Remembers what it does not say yet.
    """

    def __init__(self, pantry: Pantry, notebook: Notebook) -> None:
        self._pantry = pantry
        self._notebook = notebook

    @property
    def is_hushed(self) -> bool:
        """Whether the zone was silenced, and no manifest was had since.

        Whether that still holds the next manifest says.
        """
        notes = self._notebook.notes
        if notes.hushed and self._pantry.is_fresh:
            notes.hushed = False
        return notes.hushed

    @property
    def is_silenced(self) -> bool:
        """Whether nothing is to be heard here, as far as we know."""
        manifest = self._pantry.manifest
        return self.is_hushed or (manifest is not None and manifest.silenced)

    def hush(self) -> None:
        """Play nothing until the manifest was asked for: the zone was silenced."""
        self._notebook.notes.hushed = True
        self._pantry.distrust()

    def give_up(self, span: tuple[int, int], utc_us: int) -> bool:
        """Give up what a server that was there did not play.

        Args:
            span: See `left_out`.
            utc_us: Now.

        Returns:
            Whether there is something new to remember.
        """
        played, is_new = self._notebook.notes.played, False
        for item in left_out(self._pantry.items(), span, utc_us):
            if item.id not in played and item.start_utc_us is not None:
                _log.info("the server does not play %r, nor do we", item.title)
                played[item.id] = Played(item.start_utc_us, done=True, owed=False)
                is_new = True
        return is_new

    def take_up(self, broadcast: str) -> None:
        """The server plays after all what was given up."""
        given_up = self._notebook.notes.played.get(broadcast)
        if given_up is not None and given_up.done and given_up.samples == 0:
            del self._notebook.notes.played[broadcast]

    def is_called_off(self, item: Item) -> bool:
        """Say whether the server that is there again has other plans."""
        manifest = self._pantry.manifest
        if manifest is None or not self._pantry.is_fresh:
            return False
        return item.id not in {one.id for one in manifest.items}
