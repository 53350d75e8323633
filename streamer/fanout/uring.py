"""The same bytes to many TCP sockets by one system call (io_uring, through ctypes).

A thousand `send` calls cost a thousand entries into the kernel and as many turns of
Python's loop; io_uring takes them as an array of requests which numpy fills, and
answers with an array of results (io_uring(7)). Every request carries MSG_DONTWAIT, so
each is answered within the call: the ring never holds anything between two calls.

Containers and old kernels refuse io_uring; then :meth:`SendRing.open` says so and the
caller does without.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
from contextlib import suppress
from typing import Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

ENTRIES = 4096
"Requests of one system call, a power of two; longer lists are sent in parts."

Results: TypeAlias = npt.NDArray[np.int32]
"Per socket the bytes taken, or a negative errno."

# linux/io_uring.h; the numbers of the calls are the same on every architecture.
_SYS_IO_URING_SETUP: Final = 425
_SYS_IO_URING_ENTER: Final = 426
_OFF_SQ_RING: Final = 0
_OFF_SQES: Final = 0x10000000
_FEAT_SINGLE_MMAP: Final = 1 << 0
_ENTER_GETEVENTS: Final = 1 << 0
_OP_SEND: Final = 26
# After MSG_EOR the next bytes get a buffer of their own (tcp(7) is silent; Linux's
# tcp_sendmsg is not), so each send is held against TCP_NOTSENT_LOWAT; else what is
# appended to the last unsent buffer is not.
_FLAGS: Final = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | socket.MSG_EOR
_SQE = np.dtype(
    {
        "names": ["opcode", "fd", "addr", "len", "msg_flags", "user_data"],
        "formats": ["u1", "i4", "u8", "u4", "u4", "u8"],
        "offsets": [0, 4, 16, 24, 28, 32],
        "itemsize": 64,
    }
)
_CQE = np.dtype([("user_data", "u8"), ("res", "i4"), ("flags", "u4")])


class _Offsets(ctypes.Structure):
    """struct io_sqring_offsets and io_cqring_offsets: the same ten words."""

    _fields_ = (
        ("head", ctypes.c_uint32),
        ("tail", ctypes.c_uint32),
        ("ring_mask", ctypes.c_uint32),
        ("ring_entries", ctypes.c_uint32),
        ("flags_or_overflow", ctypes.c_uint32),
        ("dropped_or_cqes", ctypes.c_uint32),
        ("array_or_flags", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class _Params(ctypes.Structure):
    """struct io_uring_params (io_uring_setup(2))."""

    _fields_ = (
        ("sq_entries", ctypes.c_uint32),
        ("cq_entries", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("sq_thread_cpu", ctypes.c_uint32),
        ("sq_thread_idle", ctypes.c_uint32),
        ("features", ctypes.c_uint32),
        ("wq_fd", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
        ("sq", _Offsets),
        ("cq", _Offsets),
    )


_libc = ctypes.CDLL(None, use_errno=True)  # lets other threads run meanwhile
_syscall = _libc.syscall


class SendRing:
    """An io_uring that sends; made by :meth:`open`, used from one thread."""

    def __init__(self, descriptor: int, params: _Params) -> None:
        """Map the rings of *descriptor*, which is the ring's from now on."""
        self._descriptor = descriptor
        self._entries = int(params.sq_entries)
        sq, cq = params.sq, params.cq
        # With FEAT_SINGLE_MMAP one mapping holds both rings.
        length = max(
            sq.array_or_flags + 4 * params.sq_entries,
            cq.dropped_or_cqes + _CQE.itemsize * params.cq_entries,
        )
        # numpy's views keep the mappings; they end with the ring's last reference.
        rings = mmap.mmap(descriptor, length, offset=_OFF_SQ_RING)
        requests = mmap.mmap(
            descriptor, _SQE.itemsize * self._entries, offset=_OFF_SQES
        )
        self._words = np.frombuffer(rings, np.uint32, count=length // 4)
        self._requests = np.frombuffer(requests, _SQE)
        self._completions = np.frombuffer(
            rings, _CQE, count=params.cq_entries, offset=cq.dropped_or_cqes
        )
        self._head, self._tail = sq.head // 4, sq.tail // 4
        self._done_head, self._done_tail = cq.head // 4, cq.tail // 4
        # Request i lies in slot i: nothing is held between calls, so each starts over.
        start = sq.array_or_flags // 4
        self._slots = self._words[start : start + self._entries]

    @classmethod
    def open(cls, entries: int = ENTRIES) -> Self:
        """Return a ring.

        Raises:
            OSError: The kernel has no io_uring, or this process may not use it.
        """
        params = _Params()
        descriptor = _syscall(_SYS_IO_URING_SETUP, entries, ctypes.byref(params))
        if descriptor < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"io_uring_setup: {os.strerror(code)}")
        try:
            if not params.features & _FEAT_SINGLE_MMAP:
                raise OSError("io_uring is older than Linux 5.4")
            return cls(descriptor, params)
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        """Free the ring; idempotent."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)

    def send(self, descriptors: npt.NDArray[np.int32], data: bytes) -> Results:
        """Hand *data* to each socket; never waits for one.

        A short count or ``-EAGAIN`` says that the socket is full, ``-EPIPE`` and the
        like that it is broken. Where the kernel refuses the call itself (no memory,
        the ring is closed), the sockets that it left out are told as full.
        """
        parts = [
            self._submit(descriptors[start : start + self._entries], data)
            for start in range(0, len(descriptors), self._entries)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _submit(self, descriptors: npt.NDArray[np.int32], data: bytes) -> Results:
        count = len(descriptors)
        tail = int(self._words[self._tail])
        self._slots[(tail + np.arange(count)) % self._entries] = np.arange(count)
        requests = self._requests[:count]
        requests["opcode"] = _OP_SEND
        requests["fd"] = descriptors
        requests["addr"] = np.frombuffer(data, np.uint8).ctypes.data
        requests["len"] = len(data)
        requests["msg_flags"] = _FLAGS
        requests["user_data"] = np.arange(count)
        self._words[self._tail] = (tail + count) % 2**32
        results = np.full(count, -errno.EAGAIN, np.int32)
        submitted = answered = 0
        while answered < count:
            taken = self._enter(count - submitted, count - answered)
            if taken < 0:
                self._words[self._tail] = self._words[self._head]  # take the rest back
                break
            submitted += taken
            answered += self._collect(results)
        return results

    def _enter(self, submit: int, wait: int) -> int:
        """Hand over requests and wait for answers; return how many were taken, or -1.

        Interrupted by a signal it took none, and is to be called again.
        """
        taken: int = _syscall(
            _SYS_IO_URING_ENTER,
            self._descriptor,
            submit,
            wait,
            _ENTER_GETEVENTS,
            None,
            0,
        )
        if taken < 0 and ctypes.get_errno() == errno.EINTR:
            return 0
        return taken

    def _collect(self, results: Results) -> int:
        """Write what was answered into *results*; return how many answers there were.

        The system call before is the barrier that io_uring's rings want.
        """
        head, tail = (
            int(self._words[self._done_head]),
            int(self._words[self._done_tail]),
        )
        count = (tail - head) % 2**32
        places = (head + np.arange(count)) % len(self._completions)
        answers = self._completions[places]
        results[answers["user_data"]] = answers["res"]
        self._words[self._done_head] = tail
        return count
