"""Many datagrams to many addresses by one system call (sendmmsg, through ctypes).

The arrays that the kernel reads are laid out by numpy and rebuilt only when the set of
receivers changes; per call only the lengths change.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

import numpy as np
import numpy.typing as npt

from streamer.wire.stun import Address

MAX_BATCH = 1024
"UIO_MAXIOV: what one sendmmsg takes (sendmmsg(2))."

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
# struct mmsghdr of 64-bit Linux (recvmsg(2), sendmmsg(2)).
_MMSGHDR = np.dtype(
    {
        "names": ["name", "name_length", "iovec", "iovec_length"],
        "formats": ["u8", "u4", "u8", "u8"],
        "offsets": [0, 8, 16, 24],
        "itemsize": 64,
    }
)
_SOCKADDR_BYTES = 28

_libc = ctypes.CDLL(None, use_errno=True)
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
_sendmmsg.restype = ctypes.c_int

# What says that there is no room now, as opposed to something wrong with one address.
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})


def sockaddr(address: Address, family: socket.AddressFamily) -> bytes:
    """Return *address* as the kernel wants it for a socket of *family*.

    An IPv6 socket reaches IPv4 by mapped addresses (RFC 4291, section 2.5.5.2).
    """
    host = ip_address(address[0])
    if family == socket.AF_INET:
        port = address[1].to_bytes(2)
        return struct.pack("=H", family) + port + host.packed + bytes(8)
    mapped = (
        host.packed
        if isinstance(host, IPv6Address)
        else bytes(10) + b"\xff\xff" + host.packed
    )
    return (
        struct.pack("=H", family)
        + address[1].to_bytes(2)
        + bytes(4)
        + mapped
        + bytes(4)
    )


class DatagramBatch:
    """One row of *rows* to each of *addresses*."""

    def __init__(self, rows: npt.NDArray[np.uint8], sockaddrs: Sequence[bytes]) -> None:
        """Lay out the kernel's arrays.

        Args:
            rows: Shape (receivers, stride), C order; must outlive the batch.
            sockaddrs: As :func:`sockaddr` made them, one for each row.
        """
        count = len(sockaddrs)
        self._rows = rows
        # In one piece: a call of numpy per receiver would take most of the time.
        padded = b"".join([name.ljust(_SOCKADDR_BYTES, b"\0") for name in sockaddrs])
        self._names = np.frombuffer(padded, np.uint8)
        self._iovecs = np.zeros(count, _IOVEC)
        self._iovecs["base"] = rows.ctypes.data + rows.strides[0] * np.arange(count)
        self._headers = np.zeros(count, _MMSGHDR)
        self._headers["name"] = self._names.ctypes.data + _SOCKADDR_BYTES * np.arange(
            count
        )
        self._headers["name_length"] = [len(value) for value in sockaddrs] or 0
        self._headers["iovec"] = self._iovecs.ctypes.data + _IOVEC.itemsize * np.arange(
            count
        )
        self._headers["iovec_length"] = 1

    def send(self, descriptor: int, lengths: npt.NDArray[np.int32]) -> int:
        """Send the first ``lengths[i]`` bytes of each row; never waits.

        A receiver that the kernel refuses (no route, port unreachable) is passed
        over; when there is no room left, the rest is dropped.

        Returns:
            How many datagrams the kernel took.
        """
        self._iovecs["length"] = lengths
        base, count = self._headers.ctypes.data, len(self._headers)
        position = taken = 0
        while position < count:
            batch = min(MAX_BATCH, count - position)
            start = base + _MMSGHDR.itemsize * position
            sent = _sendmmsg(descriptor, start, batch, socket.MSG_DONTWAIT)
            if sent < 0:
                if ctypes.get_errno() in _FULL:
                    break
                sent, position = 0, position + 1
            position += sent
            taken += sent
        return taken
