"""Who may listen to what, and whose session it is."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from fastapi import Request

from streamer.air.zones import ZoneTree
from streamer.api.gate import bearer_of, missing_token, unauthorized
from streamer.api.principals import Principal, forbidden
from streamer.api.problems import Problem
from streamer.api.services import Services
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.webrtc.peer import Admission, Target
from streamer.store.credentials import CredentialKind
from streamer.studio.live import Live

Caller: TypeAlias = Principal | ListenerIdentity | None
"The holder of a token, a speaker, or anybody."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listener asks for: one of the two; a speaker need not say."""

    zone_id: str | None
    broadcast_id: str | None


async def caller_of(request: Request, services: Services) -> Caller:
    """Return who asks.

    Raises:
        Problem: 401 where a token or a credential is shown that is nobody's.
    """
    shown = bearer_of(request.headers)
    if shown is None:
        return None
    if not shown.startswith(f"{CredentialKind.SPEAKER.value}_"):
        return await services.tokens.authenticate(shown)
    identity = services.speakers.authenticate(shown)
    if identity is None:
        raise unauthorized("invalid-token", "No speaker has this credential.")
    return identity


def place(
    wanted: Wanted, caller: Caller, request: Request, services: Services
) -> tuple[Target, Admission]:
    """Return what a session shall hear, and by what right.

    Raises:
        Problem: There is no such thing, or none for this caller.
    """
    if wanted.zone_id is not None and wanted.broadcast_id is not None:
        raise Problem(422, "invalid-request", "Name a zone or a broadcast, not both.")
    match caller:
        case ListenerIdentity():
            return _place_of_speaker(wanted, caller)
        case Principal():
            return _target(wanted, caller, services), Admission(token_id=caller.id)
    zone_id = wanted.zone_id
    if zone_id is None or not _is_public(zone_id, services.studio.tree):
        raise missing_token()  # which does not tell whether there is such a zone
    host = request.client.host if request.client else ""
    client = client_of(host, request.headers.get("x-forwarded-for", ""))
    return Target(zone_id=zone_id), Admission(client=client)


def is_still_allowed(admission: Admission, target: Target, services: Services) -> bool:
    """Return whether a session that is no speaker's would be let in again now."""
    tree = services.studio.tree
    if target.zone_id is not None and _is_public(target.zone_id, tree):
        return admission.token_id is None or _holds(admission.token_id, services)
    holder = services.tokens.holder(admission.token_id or "")
    if holder is None:
        return False
    if target.zone_id is not None:
        return target.zone_id in tree and _covers(holder, (target.zone_id,), tree)
    live = services.studio.find(target.broadcast_id or "")
    if live is None or live.end is not None:
        return False
    return _covers(holder, live.request.zone_ids, tree)


def _holds(token_id: str, services: Services) -> bool:
    return services.tokens.holder(token_id) is not None


def _place_of_speaker(
    wanted: Wanted, speaker: ListenerIdentity
) -> tuple[Target, Admission]:
    if wanted.broadcast_id is not None or wanted.zone_id not in (None, speaker.zone_id):
        raise forbidden("A speaker hears its own zone.")
    target = Target(zone_id=speaker.zone_id)
    return target, Admission(speaker_id=speaker.speaker_id)


def _target(wanted: Wanted, holder: Principal, services: Services) -> Target:
    tree = services.studio.tree
    if wanted.broadcast_id is not None:
        live = _on_air(wanted.broadcast_id, services)
        if not _covers(holder, live.request.zone_ids, tree):
            raise forbidden("This broadcast is not for your zone.")
        return Target(broadcast_id=live.id)
    zone_id = wanted.zone_id
    if zone_id is None:
        raise Problem(422, "invalid-request", "Name a zone or a broadcast.")
    if zone_id not in tree:
        raise Problem(404, "unknown-zone", f"There is no zone {zone_id!r}.")
    if not (_is_public(zone_id, tree) or _covers(holder, (zone_id,), tree)):
        raise forbidden(f"You may listen in {holder.zone_id!r} and below only.")
    return Target(zone_id=zone_id)


def _on_air(broadcast_id: str, services: Services) -> Live:
    live = services.studio.find(broadcast_id)
    if live is None or live.end is not None:
        raise Problem(404, "unknown-broadcast", "No such broadcast is on air.")
    return live


def _covers(holder: Principal, zone_ids: tuple[str, ...], tree: ZoneTree) -> bool:
    if holder.zone_id is None:
        return True
    if holder.zone_id not in tree:
        return False
    return all(
        zone_id in tree and tree.covers(holder.zone_id, zone_id) for zone_id in zone_ids
    )


def _is_public(zone_id: str, tree: ZoneTree) -> bool:
    return zone_id in tree and tree.is_public(zone_id)


def client_of(host: str, forwarded: str) -> str:
    """Return whose request it is: an address, or the /64 of an IPv6 one.

    Args:
        host: Whence it came. A proxy on this machine is believed.
        forwarded: X-Forwarded-For. Its last entry is what the proxy itself saw; the
            others anybody could write.
    """
    address = _address(host)
    if address is not None and address.is_loopback:
        address = _address(forwarded.rpartition(",")[2].strip()) or address
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
