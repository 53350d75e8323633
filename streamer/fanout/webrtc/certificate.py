"""The certificate by which peers know us: its fingerprint stands in the SDP."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

VALID_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed ECDSA P-256 certificate and its key."""

    key: ec.EllipticCurvePrivateKey
    x509: x509.Certificate

    @classmethod
    def generate(cls, *, now_utc: datetime.datetime) -> Self:
        """Make one that is valid for ten years from the day before *now_utc*."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loacast")])
        day = datetime.timedelta(days=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now_utc - day)
            .not_valid_after(now_utc + VALID_DAYS * day)
        )
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def parse(cls, pem: bytes) -> Self:
        """Read what :meth:`serialize` wrote; raises ValueError when damaged."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (TypeError, UnsupportedAlgorithm) as error:  # encrypted; unheard of
            raise ValueError(str(error)) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is not an elliptic curve key")
        certificate = x509.load_pem_x509_certificate(pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the certificate is not of this key")
        return cls(key, certificate)

    def serialize(self) -> bytes:
        """Return key and certificate as PEM: keep it as secret as a password."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return key + self.x509.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """The value of ``a=fingerprint:sha-256`` (RFC 8122, section 5)."""
        return fingerprint(self.x509, hashes.SHA256())


def fingerprint(certificate: x509.Certificate, digest: hashes.HashAlgorithm) -> str:
    """Return the digest of *certificate* as SDP has it (RFC 8122, section 5)."""
    return certificate.fingerprint(digest).hex(":").upper()
