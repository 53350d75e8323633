"""Tests of streamer.store.credentials."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.store.credentials import (
    Credential,
    CredentialError,
    CredentialKind,
    issue,
    parse,
    verify,
)

KINDS = st.sampled_from(CredentialKind)


@given(KINDS, st.binary(min_size=32, max_size=32))
def test_law_what_is_issued_is_read_back_and_verified(
    kind: CredentialKind, raw: bytes
) -> None:
    issued = issue(kind, random_bytes=lambda count: raw[:count])
    shown = parse(str(issued))
    assert shown == issued
    assert verify(shown.secret, issued.secret_hash)


def test_the_forms_that_people_and_speakers_show() -> None:
    def zeros(count: int) -> bytes:
        return bytes(count)

    token = issue(CredentialKind.TOKEN, random_bytes=zeros)
    assert str(token) == "loat_aaaaaaaaaa_" + 43 * "A"
    speaker = issue(CredentialKind.SPEAKER, id_="bcdefghijk", random_bytes=zeros)
    assert str(speaker) == "loas_bcdefghijk_" + 43 * "A"


def test_a_secret_may_hold_the_separator() -> None:
    """base64url has an underscore; it must not be taken for the separator."""
    issued = issue(CredentialKind.TOKEN, random_bytes=lambda count: b"\xff" * count)
    assert "_" in issued.secret
    assert parse(str(issued)) == issued


def test_two_are_never_alike() -> None:
    assert len({str(issue(CredentialKind.SPEAKER)) for _ in range(100)}) == 100


def test_only_the_hash_of_the_secret_is_stored() -> None:
    issued = issue(CredentialKind.TOKEN)
    digest = hashlib.sha256(issued.secret.encode()).hexdigest()
    assert issued.secret_hash == digest
    assert issued.secret not in repr(issued)


def test_another_secret_is_refused() -> None:
    one, two = issue(CredentialKind.TOKEN), issue(CredentialKind.TOKEN)
    assert not verify(one.secret, two.secret_hash)
    assert not verify("", one.secret_hash)
    assert not verify("ớ", one.secret_hash)


GOOD = str(Credential(CredentialKind.TOKEN, "abcdefghij", 43 * "x"))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "loat",
        "loat__",
        GOOD[:-1],
        GOOD + "x",
        GOOD + "\n",
        GOOD.upper(),
        GOOD.replace("loat", "loax"),
        GOOD.replace("abcdefghij", "abcdefghi1"),
        GOOD.replace("x", "ớ"),
        " " + GOOD,
    ],
)
def test_what_is_no_credential_is_refused_without_being_repeated(bad: str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse(bad)
    assert 43 * "x" not in str(caught.value)


@given(
    st.text()
    | st.from_regex(r"loa[tsx]_[a-z0-9]{9,11}_[A-Za-z0-9_=-]{42,44}", fullmatch=True)
)
def test_law_any_text_is_refused_or_read_as_it_is(text: str) -> None:
    with suppress(CredentialError):
        assert str(parse(text)) == text
