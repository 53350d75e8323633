"""Addresses of other stations: which are allowed, and how they are shown.

An address comes from an operator, and a redirect or a playlist from whoever answers
there. Both could name files of this machine, its own API, or a cloud's metadata
service; so only a few schemes are taken, and the addresses that a name stands for
are checked where the connection is made (a name may stand for another by then).
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Self, TypeAlias
from urllib.parse import quote, unquote, urljoin, urlsplit

from streamer.media.source import SourceFailed

DEFAULT_PORTS = {"http": 80, "https": 443, "rtsp": 554}
"The schemes allowed, and their ports."
MAX_URL_CHARS = 2_000

IpAddress: TypeAlias = IPv4Address | IPv6Address

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
_HOST = re.compile(r"[0-9a-z_.-]+|[0-9a-f:.]+")
_SAFE = "%/:=&?~+!$,;'@()*[]-._"
# RFC 1918; RFC 6598 (what carriers give to 4G modems); RFC 4193.
_SITE = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
            *("100.64.0.0/10", "fc00::/7"),
        ),
    )
)
_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052, section 2.1
_6TO4 = ip_network("2002::/16")


class RelayError(SourceFailed):
    """The other station cannot be relayed; the message says why."""


class RelayUrlError(RelayError):
    """The address is refused, now and whenever it is tried again."""


class Reach(StrEnum):
    """Where relayed stations may be."""

    PUBLIC = "public"
    "On the public Internet only."
    SITE = "site"
    "Also in the site's own networks: a province's studio."
    ANY = "any"
    "Also on this machine; for tests, and stations that run beside."


@dataclass(frozen=True, slots=True)
class RelayUrl:
    """An address that may be tried. It is made by :meth:`parse`."""

    scheme: str
    host: str
    port: int
    target: str
    "Path and query, as they are sent."
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address.

        Raises:
            RelayUrlError: It is none, or none of a station.
        """
        if len(text) > MAX_URL_CHARS or _FORBIDDEN.search(text):
            raise RelayUrlError("the address is too long, or has forbidden characters")
        try:
            parts = urlsplit(text)
            host = (parts.hostname or "").encode("idna").decode()
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:  # UnicodeError is one
            raise RelayUrlError("the address is malformed") from None
        if parts.scheme not in DEFAULT_PORTS:
            schemes = ", ".join(DEFAULT_PORTS)
            raise RelayUrlError(f"the address is none of {schemes}")
        if not _HOST.fullmatch(host):  # IDNA maps some letters to spaces
            raise RelayUrlError("the address names no host")
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            parts.scheme,
            host,
            port,
            quote((parts.path or "/") + query, safe=_SAFE),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
        )

    def join(self, reference: str) -> Self:
        """Return where *reference* leads from here (RFC 3986, section 5).

        Credentials go along to the same host and port only.

        Raises:
            RelayUrlError: As `parse` does.
        """
        joined = self.parse(urljoin(self.without_credentials, reference))
        if (joined.scheme, joined.host, joined.port) != (
            self.scheme,
            self.host,
            self.port,
        ):
            return joined
        return type(self)(
            *(joined.scheme, joined.host, joined.port, joined.target),
            user=self.user,
            password=self.password,
        )

    @property
    def authority(self) -> str:
        """Host and port, the latter unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return host if usual else f"{host}:{self.port}"

    @property
    def without_credentials(self) -> str:
        """The address, but for user and password; its query may be a secret."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def shown(self) -> str:
        """The address as logs and pages may show it."""
        path, has_query, _ = self.target.partition("?")
        return f"{self.scheme}://{self.authority}{path}{'?…' if has_query else ''}"


def is_within(address: IpAddress, reach: Reach) -> bool:
    """Tell whether a relay may connect to *address*."""
    inner = _embedded(address)
    if inner is not None:
        return is_within(inner, reach)
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return False  # link-local: where clouds keep credentials of a machine
    if address.is_loopback:
        return reach is Reach.ANY
    if any(address in network for network in _SITE):
        return reach is not Reach.PUBLIC
    return address.is_global


def resolve(url: RelayUrl, reach: Reach) -> list[IpAddress]:
    """Return the addresses of *url*'s host that may be tried; blocks.

    Raises:
        RelayError: The name is not known now.
        RelayUrlError: None of its addresses is within *reach*.
    """
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise RelayError(f"{url.host} is not known") from None
    # A scope (fe80::1%eth0) is part of the text, and never of what is allowed.
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    allowed = [address for address in addresses if is_within(address, reach)]
    if not allowed:
        raise RelayUrlError(f"{url.host} is not among the networks that may be relayed")
    return allowed


def _embedded(address: IpAddress) -> IpAddress | None:
    """Return the IPv4 address that an IPv6 address leads to, if it does."""
    if not isinstance(address, IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        return address.sixtofour
    return None
