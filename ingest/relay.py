"""Another station on air: reconnected, watched, and covered for while it is down."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Iterable
from typing import Self

import numpy as np

from ingest.opening import Opener
from ingest.relayfeed import RelayFeed
from ingest.relaypace import RelayBuffer, RelayPace
from ingest.relayurl import RelayUrl
from ingest.relayvalues import RelaySettings, RelayStatus
from ingest.relaywatch import Backoff, RelayWatch
from ingest.standby import Standby
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.level import to_dbfs
from streamer.media.source import SourceFailed

WELL_AFTER_SAMPLES = 10 * SAMPLE_RATE_HZ
"Received from one connection, until its failure counts as the first."
JOIN_TIMEOUT_S = 0.4
"Longer, and whoever airs this would take it for dead."

_log = logging.getLogger(__name__)


class RelaySource:
    """A `streamer.media.source.Source` that plays another station, live.

    Made by :meth:`open`. It never ends by itself: a station that dies, stalls or
    falls silent is tried again and again, and heard again as soon as it has been
    well for two seconds; meanwhile the fallback is heard, again and again from its
    beginning, or silence.

    Whoever listens to the station itself hears it up to ten seconds earlier; nobody
    needs both at once, so `delay_ns` is 0: a sample is captured when it is read.

    Args:
        url: The station.
        settings: How to relay it.
        fallback: Opens what is heard while it is down.
        rng: Spreads the retries of many relays.
    """

    def __init__(
        self,
        url: RelayUrl,
        settings: RelaySettings,
        fallback: Opener | None,
        rng: random.Random,
    ) -> None:
        self._url = url
        self._settings = settings
        self._standby = Standby(fallback, url.shown)
        self._buffer = RelayBuffer()
        self._pace = RelayPace(self._buffer, settings.prefill_samples)
        self._watch = RelayWatch(settings.watch)
        self._backoff = Backoff(settings.first_retry_s, settings.most_retry_s, rng)
        self._lock = threading.Lock()  # of what read and close both use
        self._finishing = False
        self._closing = threading.Event()
        self._feed: RelayFeed | None = None
        self._received_bytes = 0  # from earlier connections
        self._connected = False
        self._connections = 0
        self._failures = 0
        self._last_failure = ""
        self._concealed = 0
        # A daemon, for a name that is looked up cannot be let go.
        self._thread = threading.Thread(
            target=self._run, name=f"relay {url.host}", daemon=True
        )

    @classmethod
    def open(
        cls,
        url: str,
        *,
        settings: RelaySettings | None = None,
        fallback: Opener | None = None,
        rng: random.Random | None = None,
    ) -> Self:
        """Start to relay the station at *url*; returns at once.

        Args:
            url: http, https or rtsp; may hold user and password.
            settings: How to relay it.
            fallback: Opens what is heard while it is down, on a thread of its own.
            rng: For tests that need the same retries every time.

        Raises:
            RelayUrlError: The address is none that may be relayed.
        """
        source = cls(
            RelayUrl.parse(url),
            settings or RelaySettings(),
            fallback,
            rng or random.Random(),
        )
        source._thread.start()
        return source

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it can be heard; return whether it can. Not for the loop."""
        return self._buffer.wait_held(self._settings.prefill_samples, timeout_s)

    @property
    def delay_ns(self) -> int:
        """Constant; see above."""
        return 0

    @property
    def status(self) -> RelayStatus:
        """How it does now; from any thread."""
        feed = self._feed
        return RelayStatus(
            url=self._url.shown,
            state=self._watch.state,
            is_connected=self._connected,
            codec="" if feed is None else feed.codec,
            connections=self._connections,
            failures=self._failures,
            last_failure=self._last_failure,
            received_bytes=self._received_bytes
            + (0 if feed is None else feed.received_bytes),
            held_samples=self._buffer.held_samples,
            waits=self._pace.waits,
            concealed_samples=self._concealed,
            fallback_samples=self._standby.heard_samples,
            drift_ppm=self._pace.drift_ppm,
        )

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; none after `finish` but a last fading frame.

        Raises:
            SourceFailed: It was down for as long as `RelaySettings` allow.
        """
        with self._lock:
            if self._closing.is_set():
                return silence(0)
            pcm = self._read(samples)
            if self._finishing:
                self._closing.set()
                pcm = pcm * np.linspace(1, 0, samples, dtype=np.float32)
            return pcm

    def finish(self) -> None:
        """Fade out within the next frame, and end."""
        self._finishing = True

    def close(self) -> None:
        """Hang up and let go of everything; idempotent."""
        self._closing.set()
        feed = self._feed
        if feed is not None:
            feed.abort()
        self._buffer.close()
        with self._lock:
            self._standby.close()
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT_S)

    # --- on the reader's thread -------------------------------------------------

    def _read(self, samples: int) -> Pcm:
        station, missing = self._pace.read(samples)
        self._concealed += missing
        peak_dbfs = to_dbfs(float(np.max(np.abs(station), initial=0.0)))
        before = self._watch.state
        state = self._watch.step(samples, missing, peak_dbfs)
        if state is not before:
            _log.warning("relay %s is %s", self._url.shown, state)
        patience = self._settings.give_up_after_samples
        if patience is not None and not self._standby.exists:
            self._check_patience(patience)
        return self._standby.over(station, is_wanted=state.is_down)

    def _check_patience(self, patience_samples: int) -> None:
        if self._watch.down_samples >= patience_samples:
            raise SourceFailed(self._last_failure or "the station is silent")

    # --- on the station's thread ------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._relay_once()
                self._note_failure("it ended")
            except Exception as error:  # whatever it is, the next try may do better
                self._note_failure(str(error) or type(error).__name__)
            self._closing.wait(self._backoff.next_s())

    def _relay_once(self) -> None:
        """Connect, and hand over what comes until it ends."""
        feed = RelayFeed(
            self._url,
            self._settings.reach,
            connect_timeout_s=self._settings.connect_timeout_s,
            read_timeout_s=self._settings.read_timeout_s,
        )
        self._feed = feed
        if self._closing.is_set():
            return
        try:
            with contextlib.closing(feed.pcm()) as stream:
                self._hand_over(feed, stream)
        finally:
            self._connected = False
            self._received_bytes += feed.received_bytes
            self._feed = None

    def _hand_over(self, feed: RelayFeed, stream: Iterable[Pcm]) -> None:
        received = 0
        for pcm in stream:
            if received == 0:
                self._connected = True
                self._connections += 1
                _log.info("relay %s sends %s", self._url.shown, feed.codec)
            received += len(pcm)
            if received >= WELL_AFTER_SAMPLES:
                self._backoff.reset()
            if not self._buffer.put(pcm):
                return

    def _note_failure(self, reason: str) -> None:
        if self._closing.is_set():
            return
        self._failures += 1
        if reason != self._last_failure:
            _log.warning("relay %s: %s", self._url.shown, reason)
        self._last_failure = reason
