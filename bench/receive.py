"""Many datagrams off one socket by one system call (recvmmsg, through ctypes).

The counterpart of `streamer.fanout.datagrams`: a load generator reads ten datagrams of
a listener at a time, and those of forty listeners into one matrix.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

import numpy as np
import numpy.typing as npt

_IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
# struct mmsghdr of 64-bit Linux (recvmsg(2), recvmmsg(2)).
_MMSGHDR = np.dtype(
    {
        "names": ["iovec", "iovec_length", "length"],
        "formats": ["u8", "u8", "u4"],
        "offsets": [16, 24, 56],
        "itemsize": 64,
    }
)
_EMPTY = frozenset({errno.EAGAIN, errno.ECONNREFUSED})
"Nothing there; or the server is gone, which its silence says well enough."

_recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
_recvmmsg.argtypes = (
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p),
)
_recvmmsg.restype = ctypes.c_int


class DatagramReader:
    """A matrix that datagrams are read into, one a row."""

    def __init__(self, rows: int, stride: int) -> None:
        """Lay out the kernel's arrays.

        Args:
            rows: How many datagrams it holds.
            stride: Bytes of each that are kept; what is longer is cut.
        """
        self.rows: npt.NDArray[np.uint8] = np.zeros((rows, stride), np.uint8)
        self._iovecs = np.zeros(rows, _IOVEC)
        self._iovecs["base"] = self.rows.ctypes.data + stride * np.arange(rows)
        self._iovecs["length"] = stride
        self._headers = np.zeros(rows, _MMSGHDR)
        self._headers["iovec"] = self._iovecs.ctypes.data + _IOVEC.itemsize * np.arange(
            rows
        )
        self._headers["iovec_length"] = 1
        self._base = self._headers.ctypes.data
        self.lengths: npt.NDArray[np.uint32] = self._headers["length"]
        "Of each row, as of the last read into it."

    def read(self, descriptor: int, start: int, most: int) -> int:
        """Read up to *most* datagrams into the rows from *start*; never waits.

        Returns:
            How many there were.

        Raises:
            OSError: The socket is in no state to be read.
        """
        first = self._base + _MMSGHDR.itemsize * start
        most = min(most, len(self.rows) - start)
        count = _recvmmsg(descriptor, first, most, socket.MSG_DONTWAIT, None)
        if count >= 0:
            return int(count)
        if (code := ctypes.get_errno()) not in _EMPTY:
            raise OSError(code, os.strerror(code))
        return 0

    def datagram(self, row: int) -> bytes:
        """Return what was read into *row*."""
        return self.rows[row, : self.lengths[row]].tobytes()
