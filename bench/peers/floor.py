"""The floor: what the kernel alone costs. A loop of `socket.send` of a ready frame.

No event loop, no flow control, no rules: per 20 ms tick one frame is built and sent
to every socket. Nothing in Python that sends to N sockets one by one can be cheaper,
and nothing useful is this cheap.

``python -m bench.peers.floor PTIME_MS`` prints ``Listening: PORT``, accepts until
"start N" is read, answers ``SSRC`` once it sends, and ends with standard input.
"""

from __future__ import annotations

import select
import socket
import sys
import threading
from collections.abc import Callable
from time import monotonic_ns

from bench import handshake, stream
from bench.peers import material
from bench.processes import sleep_until
from streamer.media.frame import FRAME_NS

Send = Callable[[bytes], int]


class Floor:
    """Accepted sockets, in as many groups as a bundle has packets."""

    def __init__(self, packets_per_message: int) -> None:
        self._packets = packets_per_message
        self._loop = material.payloads()
        self._groups: list[list[Send]] = [[] for _ in range(packets_per_message)]
        self.sockets: list[socket.socket] = []
        self.skipped = 0

    def accept(self, server: socket.socket) -> None:
        """Take one connection and upgrade it."""
        sock, _ = server.accept()
        head = b""
        while handshake.END not in head and (data := sock.recv(4096)):
            head += data
        sock.sendall(handshake.response(head))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._groups[len(self.sockets) % self._packets].append(sock.send)
        self.sockets.append(sock)

    def send(self, stopped: threading.Event) -> None:
        """Send on the 20 ms grid until *stopped*."""
        first_due_ns = monotonic_ns() + FRAME_NS
        announcement = material.framed_announcement(first_due_ns)
        for group in self._groups:
            self._send(group, announcement)
        index = 0
        while not stopped.is_set():
            sleep_until(first_due_ns + index * FRAME_NS)
            bundle = material.bundle(index, self._packets)
            payload = material.message(self._loop, bundle)
            frame = stream.frame(stream.BINARY, payload)
            self._send(self._groups[index % self._packets], frame)
            index += 1

    def _send(self, group: list[Send], frame: bytes) -> None:
        for send in group:
            try:
                send(frame)
            except BlockingIOError:
                self.skipped += 1


def main(arguments: list[str]) -> None:
    """Accept, then send, as the module says."""
    floor = Floor(int(arguments[0]) // 20)
    server = socket.create_server(("127.0.0.1", 0), backlog=4096)
    print(f"Listening: {server.getsockname()[1]}", flush=True)
    waiting = select.poll()
    waiting.register(server, select.POLLIN)
    waiting.register(sys.stdin, select.POLLIN)
    while sys.stdin.fileno() not in {fd for fd, _ in waiting.poll()}:
        floor.accept(server)
    wanted = int(sys.stdin.readline().split()[1])
    while len(floor.sockets) < wanted:
        floor.accept(server)
    stopped = threading.Event()
    sender = threading.Thread(target=floor.send, args=(stopped,))
    sender.start()
    print(f"SSRC {material.SSRC}", flush=True)
    sys.stdin.read()
    stopped.set()
    sender.join()


if __name__ == "__main__":
    main(sys.argv[1:])
