"""An RTSP server on this machine that sends mu-law within its TCP connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Self

PACKET_SAMPLES = 160
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track1\r\n"
)


class RtspStation:
    """Plays *sound* once, to one caller, then stalls. A context manager.

    RFC 2326, as much as a player asks for; sections 10.2, 10.4, 10.5 and 10.12.

    Args:
        sound: mu-law, 8 kHz.
    """

    def __init__(self, sound: bytes) -> None:
        self._sound = sound
        self._closing = threading.Event()
        self.requests: list[str] = []
        "First lines of what was asked."

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()

    @property
    def url(self) -> str:
        """Its address."""
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/live"

    def _serve(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        pending = b""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                if not (data := connection.recv(4096)):
                    return
                pending += data
            while b"\r\n\r\n" in pending:
                request, _, pending = pending.partition(b"\r\n\r\n")
                self._answer(connection, request.decode())

    def _answer(self, connection: socket.socket, request: str) -> None:
        lines = request.split("\r\n")
        self.requests.append(lines[0])
        method = lines[0].split()[0]
        sequence = next(line for line in lines if line.lower().startswith("cseq"))
        head = f"RTSP/1.0 200 OK\r\n{sequence}\r\nSession: 1\r\n"
        body = ""
        if method == "OPTIONS":
            head += "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = _SDP
            head += f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            head += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        connection.sendall(f"{head}\r\n{body}".encode())
        if method == "PLAY":
            self._send(connection)

    def _send(self, connection: socket.socket) -> None:
        for number in range(len(self._sound) // PACKET_SAMPLES):
            start = number * PACKET_SAMPLES
            rtp = struct.pack(">BBHII", 0x80, 0, number, start, 1)
            rtp += self._sound[start : start + PACKET_SAMPLES]
            connection.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
