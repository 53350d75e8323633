"""Other stations to relay: real servers on this machine that misbehave on demand."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Self

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

TYPES = {
    "mp3": ("libmp3lame", "audio/mpeg"),
    "ogg": ("libopus", "application/ogg"),
    "adts": ("aac", "audio/aac"),
    "mpegts": ("aac", "video/mp2t"),
}


@cache
def sound(seconds: int, seed: int = 0) -> Pcm:
    """Return what a station says."""
    return render("bulletin", 0, seconds * SAMPLE_RATE_HZ, seed=seed)


@cache
def stream_of(kind: str, seconds: int = 4, seed: int = 0) -> bytes:
    """Return `sound` as a station sends it."""
    return encoded(kind, sound(seconds, seed))


def encoded(kind: str, pcm: Pcm) -> bytes:
    """Return *pcm* as a station sends it."""
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream(TYPES[kind][0], rate=SAMPLE_RATE_HZ)
        assert isinstance(stream, AudioStream)
        stream.layout = "mono"
        context = stream.codec_context
        context.bit_rate = 64_000
        context.open()
        resampler = AudioResampler(
            format=context.format.name,
            layout="mono",
            rate=SAMPLE_RATE_HZ,
            frame_size=context.frame_size or 1024,
        )
        frame = AudioFrame.from_ndarray(pcm[None, :], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts, frame.time_base = 0, Fraction(1, SAMPLE_RATE_HZ)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file.getvalue()


class Call:
    """One connection to a station."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self.closing = closing
        "Set when the station closes."
        self._connection = connection
        self.request = ""

    @property
    def path(self) -> str:
        """What is asked for."""
        return self.request.split(" ")[1]

    def listen(self) -> None:
        """Read the request."""
        while "\r\n\r\n" not in self.request:
            if not (data := self._connection.recv(4096)):
                raise ConnectionError
            self.request += data.decode()

    def say(self, data: bytes) -> None:
        """Send *data*."""
        self._connection.sendall(data)

    def answer(self, content: bytes, content_type: str = "audio/mpeg") -> None:
        """Send a body, of which more may follow."""
        head = f"HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n"
        self.say(head.encode() + content)

    def stall(self) -> None:
        """Say nothing more until the station, or the caller, hangs up."""
        self._connection.settimeout(0.05)
        while not self.closing.is_set():
            with contextlib.suppress(TimeoutError):
                if not self._connection.recv(1):
                    return


Act = Callable[[Call], None]


def sends(content: bytes, content_type: str = "audio/mpeg") -> Act:
    """Send it, and hang up."""
    return lambda call: call.answer(content, content_type)


def stalls_after(content: bytes, content_type: str = "audio/mpeg") -> Act:
    """Send it, and then nothing."""

    def act(call: Call) -> None:
        call.answer(content, content_type)
        call.stall()

    return act


def says(raw: bytes) -> Act:
    """Answer just that, and hang up."""
    return lambda call: call.say(raw)


def redirects(to: str) -> Act:
    """Send the caller elsewhere."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    return says(head.encode())


def never_answers(call: Call) -> None:
    """Listen, and say nothing."""
    call.stall()


def dribbles(call: Call) -> None:
    """Send a header without end, a byte at a time."""
    call.say(b"HTTP/1.0 200 OK\r\nX: ")
    while not call.closing.wait(0.02):
        call.say(b"x")


class Station:
    """Plays its acts, one for each connection; the last stays. A context manager."""

    def __init__(self, *acts: Act) -> None:
        self._acts = list(acts)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.requests: list[str] = []
        "What was asked, in order."

    @classmethod
    def with_files(cls, files: dict[str, bytes]) -> Self:
        """Return one that serves *files* by their paths, as they are then."""

        def act(call: Call) -> None:
            content = files.get(call.path)
            if content is None:
                call.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                call.answer(content, "application/octet-stream")

        return cls(act)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in [self._thread, *self._threads]:
            thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/live"

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
            thread = threading.Thread(target=self._play, args=(act, connection))
            thread.start()
            self._threads.append(thread)

    def _play(self, act: Act, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            call = Call(connection, self._closing)
            call.listen()
            self.requests.append(call.request)
            act(call)
