"""DTLS records into datagrams: OpenSSL's memory BIO forgets where one ended (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

DTLS_MTU_BYTES = 1200
"Fits every path of the Internet together with its UDP and IP headers."

_RECORD_HEADER_BYTES = 13


def split(flight: bytes) -> Iterator[bytes]:
    """Split what OpenSSL wrote at the borders of DTLS records (RFC 6347, 4.1)."""
    position = 0
    while position < len(flight):
        body = position + _RECORD_HEADER_BYTES
        end = body + int.from_bytes(flight[body - 2 : body])
        yield flight[position:end]
        position = end


def pack(records: Iterable[bytes]) -> Iterator[bytes]:
    """Fill datagrams with whole records, as many as fit."""
    datagram = b""
    for record in records:
        if datagram and len(datagram) + len(record) > DTLS_MTU_BYTES:
            yield datagram
            datagram = b""
        datagram += record
    if datagram:
        yield datagram
