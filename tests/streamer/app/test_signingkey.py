"""The key by which speakers know the server's documents."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from streamer.app.signingkey import SigningKeyError, load_or_create


def test_a_restart_finds_the_same_one_and_nobody_else_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    key = load_or_create(path)
    path.chmod(0o644)
    assert load_or_create(path).public == key.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["damaged", "another kind"])
def test_one_that_cannot_be_used_is_told_of_and_kept(tmp_path: Path, kind: str) -> None:
    other = Ed448PrivateKey.generate()
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = tmp_path / "signing.pem"
    path.write_bytes(pem if kind == "another kind" else b"damaged")
    before = path.read_bytes()
    with pytest.raises(SigningKeyError, match=kind):
        load_or_create(path)
    assert path.read_bytes() == before
