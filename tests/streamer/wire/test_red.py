"""Tests of streamer.wire.red."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.errors import LocalWireError, RemoteWireError
from streamer.wire.red import RedBlock, parse, serialize

redundant_blocks = st.builds(
    RedBlock, st.integers(0, 127), st.integers(1, 2**14 - 1), st.binary(max_size=1023)
)
primary_blocks = st.builds(
    RedBlock, st.integers(0, 127), st.just(0), st.binary(max_size=1500)
)


def test_one_copy_and_the_newest_frame() -> None:
    # RFC 2198, section 3: F=1 with type, offset 960, length 2; then F=0 with type.
    blocks = [RedBlock(111, 960, b"ab"), RedBlock(111, 0, b"xyz")]
    assert serialize(blocks) == bytes([0xEF, 0x0F, 0x00, 0x02, 0x6F]) + b"abxyz"


@given(st.lists(redundant_blocks, max_size=3), primary_blocks)
def test_law_what_is_written_is_read(
    redundant: list[RedBlock], primary: RedBlock
) -> None:
    assert parse(serialize([*redundant, primary])) == [*redundant, primary]


@pytest.mark.parametrize(
    "block", [RedBlock(1, 2**14, b""), RedBlock(1, 0, b""), RedBlock(1, 1, bytes(1024))]
)
def test_what_does_not_fit_is_our_fault(block: RedBlock) -> None:
    with pytest.raises(LocalWireError):
        serialize([block, RedBlock(1, 0, b"")])


@pytest.mark.parametrize("data", [b"", b"\xef\0\0", bytes([0xEF, 0x0F, 0, 9, 0x6F])])
def test_what_is_truncated_is_the_peers(data: bytes) -> None:
    with pytest.raises(RemoteWireError):
        parse(data)


@given(st.binary(max_size=100))
def test_law_garbage_raises_nothing_else(data: bytes) -> None:
    with contextlib.suppress(RemoteWireError):
        parse(data)
