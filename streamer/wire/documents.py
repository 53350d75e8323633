"""Signed documents: what a speaker may play without its server, and orders to do so.

FORMAT.md, "Without the server", is normative. A document is JSON; it is sent and kept
as the very bytes that were signed, behind their signature, so nobody has to write it
again in the same way. Signing and verifying are handed in: this module knows no keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeAlias, TypeVar

from streamer.wire.control import ProgrammeClass
from streamer.wire.errors import LocalWireError, RemoteWireError
from streamer.wire.members import Count, convert, is_text, kinds_of, load_object

Sign: TypeAlias = Callable[[bytes], bytes]
"Returns the Ed25519 signature (RFC 8032) of a document: 64 bytes."
Verify: TypeAlias = Callable[[bytes, bytes], bool]
"Whether the first is a signature of the second by the key that is trusted."

MAX_DOCUMENT_BYTES = 1 << 20
MAX_ORDER_BYTES = 2_048
"An order must fit a control message, where its quotes are escaped."
MAX_ITEMS = 500
MAX_ORDERS = 20
MAX_ZONES = 64
MAX_REPEATS = 100
MAX_GAP_S = 30
_SIGNATURE_BYTES = 64
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class UntrustedError(RemoteWireError):
    """The document is not signed by the key that is trusted."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a speaker shall have on its disk."""

    id: str
    "Of the broadcast that its airing is, live or not; of a stored message, its own."
    title: str
    programme_class: ProgrammeClass
    sha256: str
    "Of the file, in hex; it is also the file's name on the server."
    size_bytes: Count
    samples: Count
    "How long it sounds, at 48 kHz, without what a decoder drops at the start."
    start_utc_us: int | None = None
    "When its first sample is captured, by the plan; None: only when it is ordered."

    @property
    def duration_us(self) -> int:
        """How long it sounds."""
        return self.samples * 1_000_000 // 48_000

    @property
    def end_utc_us(self) -> int | None:
        """When it is over, by the plan; it is not begun later."""
        if self.start_utc_us is None:
            return None
        return self.start_utc_us + self.duration_us


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is planned for the speakers of a zone, and how they sound."""

    type: ClassVar[str] = "manifest"
    zone: str
    version: int
    "Grows with each change; a speaker takes no older one than it has."
    issued_utc_us: int
    playout_delay_ms: Count
    silenced: bool
    "The kill switch is on: nothing is to be heard."
    emergency_volume_percent: int | None = None
    zone_ids: tuple[str, ...] = ()
    "The zone itself and all above it: what an order may name."
    items: tuple[Item, ...] = ()
    orders: tuple[str, ...] = ()
    "Signed orders that hold, each as it would come alone."


@dataclass(frozen=True, slots=True)
class Order:
    """Play a stored message, now."""

    type: ClassVar[str] = "order"
    id: str
    "Of the broadcast that its playing is."
    serial: int
    "Grows from order to order of a server; one that is not greater was obeyed before."
    title: str
    programme_class: ProgrammeClass
    sha256: str
    issued_utc_us: int
    expires_utc_us: int
    "Not begun later, nor repeated."
    repeat: Count = 1
    gap_s: Count = 0
    "Silence between two repetitions."
    zone_ids: tuple[str, ...] = ()
    "For the speakers in these and below."
    speaker_ids: tuple[str, ...] = ()


Document: TypeAlias = Manifest | Order
D = TypeVar("D", bound=Document)


def serialize(document: Document, sign: Sign) -> bytes:
    """Return *document*, signed.

    Raises:
        LocalWireError: It is longer than its readers take.
    """
    members = {"type": document.type} | asdict(document)
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    if not is_text(text):
        raise LocalWireError("a document must be Unicode text")
    body = text.encode()
    most = MAX_ORDER_BYTES if isinstance(document, Order) else MAX_DOCUMENT_BYTES
    if len(body) > most:
        raise LocalWireError(f"a document of {len(body)} bytes is over {most}")
    return base64.b64encode(sign(body)) + b"\n" + body


def parse_manifest(data: bytes, verify: Verify) -> Manifest:
    """Read a manifest; see :func:`parse_order`."""
    members = _open(data, verify, Manifest.type)
    items = _list(members, "items", MAX_ITEMS)
    return Manifest(
        **_converted(members, Manifest),
        zone_ids=_texts(members, "zone_ids", MAX_ZONES),
        items=tuple(_item(each) for each in items),
        orders=_texts(members, "orders", MAX_ORDERS),
    )


def parse_order(data: bytes, verify: Verify) -> Order:
    """Read an order.

    Raises:
        UntrustedError: It is not signed by whom *verify* trusts.
        RemoteWireError: It is not what FORMAT.md says.
    """
    members = _open(data, verify, Order.type)
    order = Order(
        **_converted(members, Order),
        zone_ids=_texts(members, "zone_ids", MAX_ZONES),
        speaker_ids=_texts(members, "speaker_ids", MAX_ZONES),
    )
    _check_names(order.id, order.sha256)
    if not (1 <= order.repeat <= MAX_REPEATS and order.gap_s <= MAX_GAP_S):
        raise RemoteWireError("an order that repeats too often")
    return order


def _open(data: bytes, verify: Verify, kind: str) -> dict[str, Any]:
    """Return the members of a document, once it is known to be genuine."""
    if len(data) > 2 * MAX_DOCUMENT_BYTES:
        raise RemoteWireError("the document is too long")
    signature_text, _, body = data.partition(b"\n")
    try:
        signature = base64.b64decode(signature_text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise UntrustedError("the document has no signature") from None
    if len(signature) != _SIGNATURE_BYTES or not verify(signature, body):
        raise UntrustedError("the document is not signed by the key that is trusted")
    try:
        members = load_object(body.decode())
    except UnicodeDecodeError:
        raise RemoteWireError("the document is not UTF-8") from None
    if members.get("type") != kind:
        raise RemoteWireError(f"the document is no {kind}")
    return members


def _converted(members: dict[str, Any], document: type[D]) -> dict[str, Any]:
    """Return the members that are no lists."""
    hints = kinds_of(document)
    lists = {field.name for field in fields(document) if field.default == ()}
    kinds = {name: kind for name, kind in hints.items() if name not in lists}
    return dict(convert(members, kinds, message=document.type))


def _item(value: Any) -> Item:
    if not isinstance(value, dict):
        raise RemoteWireError("an item is not a JSON object")
    item = Item(**convert(value, kinds_of(Item), message="item"))
    _check_names(item.id, item.sha256)
    return item


def _check_names(id_: str, sha256: str) -> None:
    """Both become names of files."""
    if not (_ID.fullmatch(id_) and _SHA256.fullmatch(sha256)):
        raise RemoteWireError("an id or a SHA-256 is not written as one")


def _list(members: dict[str, Any], name: str, most: int) -> list[Any]:
    value = members.get(name)
    if not isinstance(value, list) or len(value) > most:
        raise RemoteWireError(f"{name} is no list of at most {most}")
    return value


def _texts(members: dict[str, Any], name: str, most: int) -> tuple[str, ...]:
    values = _list(members, name, most)
    if not all(isinstance(each, str) and is_text(each) for each in values):
        raise RemoteWireError(f"{name} holds what is no string")
    return tuple(values)
