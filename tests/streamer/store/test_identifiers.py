"""Tests of streamer.store.identifiers."""

from __future__ import annotations

import re
from collections.abc import Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.store.identifiers import MAX_SLUG_CHARACTERS, new_id, slug, unused


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Xã Đại Đồng", "xa-dai-dong"),
        ("Thôn Đông", "thon-dong"),
        ("Phường Võ Cường", "phuong-vo-cuong"),
        ("Huyện Lương Tài (cũ)", "huyen-luong-tai-cu"),
        ("  Cụm loa số 7 – chợ  ", "cum-loa-so-7-cho"),
        ("Tổ dân phố Ngọc Xá", "to-dan-pho-ngoc-xa"),
        ("Xã Đa\u0323i Đo\u0302\u0300ng", "xa-dai-dong"),  # decomposed, as macOS types
        ("日本", "zone"),
        ("", "zone"),
    ],
)
def test_slug_reads_like_the_name(name: str, expected: str) -> None:
    assert slug(name) == expected


@given(st.text(max_size=200))
def test_law_a_slug_is_fit_for_a_url(name: str) -> None:
    made = slug(name)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", made)
    assert len(made) <= MAX_SLUG_CHARACTERS
    assert slug(made) == made


@given(st.sets(st.sampled_from(["a", "a-2", "a-3", "a-5", "b"])))
def test_law_an_unused_id_is_unused(taken: Set[str]) -> None:
    made = unused("a", taken)
    assert made not in taken
    assert made == "a" or "a" in taken


@given(st.binary(min_size=7, max_size=7))
def test_law_ids_are_short_and_carry_fifty_bits(raw: bytes) -> None:
    made = new_id(lambda count: raw[:count])
    assert re.fullmatch(r"[a-z2-7]{10}", made)
    flipped = bytes([*raw[:6], raw[6] ^ 0b0100_0000])  # bit 50, the last that counts
    assert new_id(lambda count: flipped[:count]) != made
