"""The Opus codec (RFC 6716): mono, 48 kHz, 20 ms frames out, any frame in.

libopus is reached through opuslib's low-level API. Its classes are not used: they
can neither set FEC nor conceal from None, and they copy every sample through Python
objects. opuslib looks libopus up by name; where the system has none, the copy inside
PyAV's wheel is shown to it, so that pip alone installs a working codec.

What a packet from the network can do is decode or raise :class:`OpusError`. libopus
is thread-safe as long as one encoder or decoder is used by one thread at a time,
:meth:`close` included; every call releases the GIL.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib
import importlib.util
import logging
import warnings
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from streamer.media.frame import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

_log = logging.getLogger(__name__)

MAX_PACKET_SAMPLES = 5760
"120 ms, the longest packet there is (RFC 6716, section 3.2.5)."
CONCEAL_STEP_SAMPLES = 120
"2.5 ms, the grain of Opus frames; concealment is asked for in multiples of it."
_MAX_PAYLOAD_BYTES = 1276  # TOC and one frame (RFC 6716, sections 3.1 and 3.2.1)

# opus_defines.h; opuslib names only some of them.
_APPLICATION_AUDIO = 2049
_SET_BITRATE, _SET_VBR, _SET_VBR_CONSTRAINT = 4002, 4006, 4020
_SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS_PERC = 4010, 4012, 4014
_GET_LOOKAHEAD = 4027


class OpusError(Exception):
    """The payload is not Opus, or an argument is one that libopus refuses."""


def _bundled_library() -> str | None:
    """Return the path of the libopus in PyAV's wheel, without importing PyAV."""
    spec = importlib.util.find_spec("av")
    if spec is None or spec.origin is None:
        return None
    # auditwheel puts a wheel's libraries into NAME.libs beside the package.
    folder = Path(spec.origin).parents[1] / "av.libs"
    return next(map(str, sorted(folder.glob("libopus-*.so*"))), None)


def _load_library() -> tuple[ctypes.CDLL, str]:
    """Return libopus as opuslib loaded it, and where it was found."""
    system_find = ctypes.util.find_library
    location = system_find("opus") or _bundled_library()
    if location is None:
        raise ImportError(
            "libopus is nowhere to be found: install the system's (Debian: libopus0)"
            " or PyAV's binary wheel (pip install --only-binary av av)"
        )

    def find(name: str) -> str | None:
        return location if name == "opus" else system_find(name)

    ctypes.util.find_library = find
    try:
        with warnings.catch_warnings():
            # opuslib 3.0.1 compares with `is not 0`, which compiling it warns of.
            warnings.simplefilter("ignore", SyntaxWarning)
            library: ctypes.CDLL = importlib.import_module("opuslib.api").libopus
    finally:
        ctypes.util.find_library = system_find
    return library, location


_library, _location = _load_library()


def _bind(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Return a libopus function under a prototype of our own.

    Subscribing makes a new function object, so opuslib's prototypes stay as they are.
    """
    function = _library[name]
    function.restype, function.argtypes = result, arguments
    return function


_INT, _INT32, _POINTER = ctypes.c_int, ctypes.c_int32, ctypes.c_void_p
_encoder_create = _bind("opus_encoder_create", _POINTER, _INT32, _INT, _INT, _POINTER)
_encoder_destroy = _bind("opus_encoder_destroy", None, _POINTER)
_encoder_ctl = _bind("opus_encoder_ctl", _INT, _POINTER, _INT)  # and variadic
_encode_float = _bind(
    "opus_encode_float", _INT32, _POINTER, _POINTER, _INT, _POINTER, _INT32
)
_decoder_create = _bind("opus_decoder_create", _POINTER, _INT32, _INT, _POINTER)
_decoder_destroy = _bind("opus_decoder_destroy", None, _POINTER)
_decode_float = _bind(
    "opus_decode_float",
    *(_INT, _POINTER, ctypes.c_char_p, _INT32, _POINTER, _INT, _INT),
)
_packet_samples = _bind(
    "opus_packet_get_nb_samples", _INT, ctypes.c_char_p, _INT32, _INT32
)
_version_string = _bind("opus_get_version_string", ctypes.c_char_p)
_strerror = _bind("opus_strerror", ctypes.c_char_p, _INT)


def libopus_version() -> str:
    """Return which libopus is used, such as ``libopus 1.6.1``."""
    return str(_version_string().decode())


def libopus_location() -> str:
    """Return the name or the path under which libopus was found."""
    return _location


@cache
def _log_library() -> None:
    _log.info("codec is %s, found as %s", libopus_version(), libopus_location())


def packet_samples(payload: bytes) -> int:
    """Return how many samples *payload* decodes to at 48 kHz, from its first bytes.

    Source: RFC 6716, section 3.1 (TOC byte) and 3.2.5 (frame count).

    Raises:
        OpusError: It is empty, too short or longer than 120 ms.
    """
    samples = _check(_packet_samples(payload, len(payload), SAMPLE_RATE_HZ))
    if not 0 < samples <= MAX_PACKET_SAMPLES:
        raise OpusError(f"a packet of {samples} samples")
    return samples


def _check(result: int) -> int:
    """Return *result* unless it is one of libopus' error codes."""
    if result < 0:
        raise OpusError(_strerror(result).decode())
    return result


class _Handle:
    """Owns the state that libopus allocated; freed by close() or with the object."""

    def __init__(self, state: int | None, error: int, free: Callable[..., Any]) -> None:
        _check(error)
        if state is None:
            raise MemoryError("libopus could not allocate its state")
        _log_library()
        self._state = state
        self._release = weakref.finalize(self, free, state)
        # At exit a daemon thread may still be inside libopus; the system cleans up.
        self._release.atexit = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free libopus' state; idempotent. The object is of no use afterwards."""
        self._release()

    def _open_state(self) -> int:
        if not self._release.alive:
            raise OpusError("the codec is closed")
        return self._state


class OpusEncoder(_Handle):
    """Encodes mono 20 ms frames for one stream (application *audio*, constrained VBR).

    Args:
        bitrate_bps: Mean bitrate, 6,000 to 510,000.
        complexity: 0 (cheap) to 10 (best).
        fec: Whether a frame carries a coarse copy of the one before (RFC 6716,
            section 2.1.7).
        expected_loss_percent: Loss that `fec` prepares for. Above 8 libopus 1.3
            turns music into narrow speech coding (v1.3.1, opus_encoder.c:1392).

    Raises:
        OpusError: An argument is out of range.
    """

    def __init__(
        self,
        bitrate_bps: int = 32_000,
        complexity: int = 10,
        fec: bool = False,
        expected_loss_percent: int = 0,
    ) -> None:
        error = _INT()
        state = _encoder_create(
            SAMPLE_RATE_HZ, 1, _APPLICATION_AUDIO, ctypes.byref(error)
        )
        super().__init__(state, error.value, _encoder_destroy)
        self._set(_SET_BITRATE, bitrate_bps)
        self._set(_SET_VBR, 1)
        self._set(_SET_VBR_CONSTRAINT, 1)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_PACKET_LOSS_PERC, expected_loss_percent)
        if fec:
            self._enable_fec()
        self._output = ctypes.create_string_buffer(_MAX_PAYLOAD_BYTES)
        lookahead = _INT()
        _check(_encoder_ctl(state, _GET_LOOKAHEAD, ctypes.byref(lookahead)))
        self._lookahead_samples = lookahead.value

    @property
    def lookahead_samples(self) -> int:
        """By how much decoded samples lag behind those encoded (312 at 48 kHz)."""
        return self._lookahead_samples

    def encode(self, pcm: Pcm) -> bytes:
        """Return one packet that holds *pcm*.

        Args:
            pcm: Exactly 960 finite samples.

        Raises:
            OpusError: It has another length, or the encoder is closed.
        """
        if pcm.shape != (FRAME_SAMPLES,):
            raise OpusError(f"a frame is {FRAME_SAMPLES} samples, not {pcm.shape}")
        samples = np.ascontiguousarray(pcm, dtype=np.float32)
        size = _check(
            _encode_float(
                self._open_state(),
                samples.ctypes.data,
                FRAME_SAMPLES,
                self._output,
                _MAX_PAYLOAD_BYTES,
            )
        )
        return ctypes.string_at(self._output, size)

    def _set(self, request: int, value: int) -> None:
        _check(_encoder_ctl(self._open_state(), request, _INT(value)))

    def _enable_fec(self) -> None:
        try:
            self._set(_SET_INBAND_FEC, 2)  # from 1.4 on: and leave music as it is
        except OpusError:
            self._set(_SET_INBAND_FEC, 1)


class OpusDecoder(_Handle):
    """Decodes one stream to mono 48 kHz; packets are given in the order of media.

    Each of :meth:`decode`, :meth:`conceal` and :meth:`recover` moves the decoder on
    by what it returns. Stereo packets are mixed down.
    """

    def __init__(self) -> None:
        error = _INT()
        state = _decoder_create(SAMPLE_RATE_HZ, 1, ctypes.byref(error))
        super().__init__(state, error.value, _decoder_destroy)
        self._output = np.empty(MAX_PACKET_SAMPLES, dtype=np.float32)

    def decode(self, payload: bytes) -> Pcm:
        """Return the samples of *payload*.

        Raises:
            OpusError: It is empty or not Opus. The decoder stays usable.
        """
        if not payload:  # libopus would take it for a lost packet
            raise OpusError("empty payload")
        return self._decode(payload, MAX_PACKET_SAMPLES, recover=False)

    def conceal(self, samples: int) -> Pcm:
        """Return *samples* that hide a missing stretch (RFC 6716, section 4.4).

        Args:
            samples: Length of what is missing: a multiple of 120, at most 5760.

        Raises:
            OpusError: *samples* is something else.
        """
        _check_missing(samples)
        return self._decode(None, samples, recover=False)

    def recover(self, next_payload: bytes, samples: int) -> Pcm:
        """Return the missing packet from the copy inside its successor, if any.

        Where *next_payload* carries no copy, or the gap is longer than the copy,
        libopus conceals the rest. Give *next_payload* to :meth:`decode` afterwards.

        Args:
            next_payload: The packet that directly follows the gap.
            samples: Length of the gap: a multiple of 120, at most 5760.

        Raises:
            OpusError: The payload is not Opus, or *samples* is something else.
        """
        _check_missing(samples)
        if not next_payload:
            raise OpusError("empty payload")
        return self._decode(next_payload, samples, recover=True)

    def _decode(self, payload: bytes | None, samples: int, *, recover: bool) -> Pcm:
        size = _check(
            _decode_float(
                self._open_state(),
                payload,
                len(payload) if payload else 0,
                self._output.ctypes.data,
                samples,
                int(recover),
            )
        )
        return self._output[:size].copy()


def _check_missing(samples: int) -> None:
    # libopus 1.3.1, opus_decoder.c:640: anything else is refused or rounded.
    if not 0 < samples <= MAX_PACKET_SAMPLES or samples % CONCEAL_STEP_SAMPLES:
        raise OpusError(f"cannot conceal {samples} samples")
