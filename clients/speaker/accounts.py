"""The accounts of what was played from the disk, until a server has them."""

from __future__ import annotations

from clients.speaker.notebook import Notebook, Played
from streamer.wire.control import Receipt


class Accounts:
    """Hands in what the notebook says that a server lacks.

    Args:
        notebook: Remembers what was played.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        self._sent_us: dict[str, int] = {}

    def next(
        self, now_us: int, clock_utc_us: int, *, playing: str | None
    ) -> Receipt | None:
        """Return one that is to be sent, if any is.

        Args:
            now_us: Ours.
            clock_utc_us: UTC at which the server's media clock was at 0.
            playing: The broadcast that is not over yet.
        """
        for id_, each in self._notebook.notes.played.items():
            is_over = id_ != playing and id_ not in self._sent_us
            if each.owed and is_over and each.samples:
                self._sent_us[id_] = now_us
                return receipt_of(id_, each, clock_utc_us)
        return None

    def arrived(self, sent_us: int) -> bool:
        """A ping of *sent_us* was answered; return whether less is owed.

        The server reads in order: it has what was sent before.
        """
        arrived = [id_ for id_, at_us in self._sent_us.items() if at_us < sent_us]
        for id_ in arrived:
            del self._sent_us[id_]
            if id_ in self._notebook.notes.played:
                self._notebook.notes.played[id_].owed = False
        return bool(arrived)

    def lost(self) -> None:
        """Owe again what the server may not have got."""
        self._sent_us.clear()


def receipt_of(id_: str, played: Played, clock_utc_us: int) -> Receipt:
    """Return the account of what was played of a broadcast.

    Args:
        id_: The broadcast.
        played: From the notebook.
        clock_utc_us: UTC at which the server's media clock was at 0.
    """
    return Receipt(
        broadcast=id_,
        packets_received=played.samples // 960,
        total_samples_received=played.samples,
        played_samples=played.samples,
        concealed_samples=0,
        complete=True,
        first_played_us=played.first_utc_us - clock_utc_us,
        last_played_us=played.last_utc_us - clock_utc_us,
    )
