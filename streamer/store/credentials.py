"""Credentials of people and speakers: ``loat_<id>_<secret>``, ``loas_<id>_<secret>``.

The secret is shown once, when it is issued; what is stored is its SHA-256. With
32 random bytes there is nothing to guess, so a slow hash would protect nothing
(it is for secrets that people choose).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum

from streamer.store.identifiers import RandomBytes, new_id

SECRET_BYTES = 32


class CredentialKind(StrEnum):
    """Whose credential it is; the value is its prefix."""

    TOKEN = "loat"
    SPEAKER = "loas"


class CredentialError(ValueError):
    """The text is no credential. The message never repeats the text."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as its bearer shows it."""

    kind: CredentialKind
    id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        """Return the text that `parse` reads; whoever logs it gives it away."""
        return f"{self.kind}_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What to store."""
        return hash_secret(self.secret)


# The alphabets of `new_id` and of base64url (RFC 4648, sections 6 and 5).
_FORM = re.compile(r"(loat|loas)_([a-z2-7]{10})_([A-Za-z0-9_-]{43})")


def issue(
    kind: CredentialKind,
    *,
    id_: str | None = None,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> Credential:
    """Make a new credential, for a new bearer or (with *id_*) for one that exists."""
    secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return Credential(kind, id_ or new_id(random_bytes), secret)


def parse(text: str) -> Credential:
    """Read what a bearer showed.

    Raises:
        CredentialError: It has not the form of a credential.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise CredentialError("not a credential: loat_… or loas_… was expected")
    return Credential(CredentialKind(found[1]), found[2], found[3])


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of *secret* in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def verify(secret: str, secret_hash: str) -> bool:
    """Tell whether *secret* is the one, in a time that does not depend on it."""
    return hmac.compare_digest(hash_secret(secret), secret_hash)
