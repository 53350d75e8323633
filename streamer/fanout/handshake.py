"""What a handshake's request says (pure)."""

from __future__ import annotations

from urllib.parse import parse_qs

from websockets.datastructures import Headers

from streamer.wire.control import PTIMES_MS

PATH = "/v1/listen"
REFUSALS = {
    "path": f"Speakers connect to {PATH}.",
    "credential": "The speaker's credential is missing, wrong or revoked.",
    "ptime": f"ptime_ms must be one of {', '.join(map(str, PTIMES_MS))}.",
    "full": "No room for another listener; come back later.",
}
"Bodies of refusals, by the label of their metric."


def credential_of(headers: Headers) -> str:
    """Return what `Authorization: Bearer` shows (RFC 6750, section 2.1), or nothing."""
    shown = headers.get_all("Authorization")
    scheme, _, credential = (shown[0] if len(shown) == 1 else "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" else ""


def ptime_ms_of(query: str) -> int | None:
    """Return the audio per message asked for, or None when it cannot be had."""
    try:
        members = parse_qs(query, keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return None
    asked = members.get("ptime_ms", [str(PTIMES_MS[0])])
    return {str(p): p for p in PTIMES_MS}.get(asked[0]) if len(asked) == 1 else None
