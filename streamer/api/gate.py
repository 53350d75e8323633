"""What every request passes before a route sees it (ASGI middleware).

The gate is closed by default: a path is open only when it is named here, so a new
route cannot forget to ask for a token.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.api.principals import Principal
from streamer.api.problems import Problem

LINGER_S = 3.0
MAX_BODY_BYTES = 64 * 1024
"Of everything but uploads, which have their own limit and are never in memory."
UPLOAD_PATH = "/api/v1/files"
HEALTH_PATH = "/healthz"
PAGE_PATHS = frozenset({"/", "/listen", "/microphone", "/favicon.ico"})
PAGE_PREFIX = "/assets/"
"Pages are shells without data; what they show comes through the API."
WHIP_PREFIX = "/whip"
WHEP_PREFIX = "/whep"
"Its routes let in who shows a speaker's credential, or nothing where it is public."
PUBLIC_PREFIX = "/api/v1/public/"
SPEAKER_PREFIX = "/api/v1/speaker/"
"Its routes let in who shows a speaker's credential, and nobody else."

FOREIGN_PREFIXES = (WHIP_PREFIX, WHEP_PREFIX, PUBLIC_PREFIX)
"Of use to pages from elsewhere, too."

PAGE_POLICY = (
    "default-src 'self'; connect-src 'self'; media-src 'self' blob:;"
    " object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


# Any page may offer a microphone if it has a token (RFC 9725, section 4.1, CORS),
# and let its visitors listen.
CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Expose-Headers": "Location, ETag",
    "Access-Control-Max-Age": "600",
}


class Authenticator(Protocol):
    """Knows every token."""

    async def authenticate(self, token: str) -> Principal:
        """Return who holds *token*, or raise a 401 problem."""
        ...


class Gate:
    """Lets a request through with a valid token and a body of bounded size."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if not _is_open(scope):
                await self._admit(scope)
            if not _is_upload(scope):
                receive = _bounded(Headers(scope=scope), receive)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        token = bearer_of(Headers(scope=scope))
        if token is None:
            raise missing_token()
        principal = await self._authenticator.authenticate(token)
        scope.setdefault("state", {})["principal"] = principal


class Linger:
    """Reads, for a while, what a client still sends when it is answered already.

    Closing at once would reset the connection, and the client, which is busy
    sending, would never see why it was refused (RFC 9112, section 9.6).
    """

    def __init__(self, app: ASGIApp, *, linger_s: float = LINGER_S) -> None:
        self._app = app
        self._linger_s = linger_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; hold back the end of the answer until the body has come."""
        more_to_come = scope["type"] == "http"

        async def watched() -> Message:
            nonlocal more_to_come
            message = await receive()
            more_to_come = message.get("more_body", False)
            return message

        async def lingering(message: Message) -> None:
            is_end = message["type"] == "http.response.body" and not message.get(
                "more_body", False
            )
            if not (is_end and more_to_come):
                await send(message)
                return
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._linger_s):
                    while more_to_come:
                        await watched()
            await send({"type": "http.response.body", "body": b""})

        await self._app(scope, watched, lingering)


class ResponseHeaders:
    """Adds the headers that keep answers private and pages to themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the headers added to the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(scope, MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_with_headers)


def bearer_of(headers: Headers) -> str | None:
    """Return what `Authorization: Bearer` shows (RFC 6750, section 2.1)."""
    # RFC 9110, section 11.4: the scheme's name is case-insensitive.
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def missing_token() -> Problem:
    """Return the problem of a request that shows nothing."""
    return unauthorized("missing-token", "Show a token: Authorization: Bearer …")


def unauthorized(slug: str, detail: str) -> Problem:
    """Return a 401 problem with the challenge that RFC 6750, section 3, asks for."""
    challenge = 'Bearer realm="loacast"'
    if slug != "missing-token":
        challenge += ', error="invalid_token"'
    return Problem(401, slug, detail, headers={"WWW-Authenticate": challenge})


def _is_open(scope: Scope) -> bool:
    path: str = scope["path"]
    if scope["method"] == "OPTIONS":  # a browser's preflight carries no token
        return path.startswith(FOREIGN_PREFIXES)
    own = (WHEP_PREFIX, PUBLIC_PREFIX, SPEAKER_PREFIX)
    is_open = path == HEALTH_PATH or path.startswith(own)
    return is_open or _is_page(scope)


def _is_page(scope: Scope) -> bool:
    path: str = scope.get("path", "")
    return path in PAGE_PATHS or path.startswith(PAGE_PREFIX)


def _is_upload(scope: Scope) -> bool:
    return (scope["method"], scope["path"]) == ("POST", UPLOAD_PATH)


def _bounded(headers: Headers, receive: Receive) -> Receive:
    """Return *receive* that raises a 413 problem past the limit; at once if announced.

    Raises:
        Problem: The announced length is too large.
    """
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return bounded


def _too_large() -> Problem:
    return Problem(
        413,
        "body-too-large",
        f"A body may have {MAX_BODY_BYTES} bytes here.",
        headers={"Connection": "close"},  # what is still on its way is not read
    )


def _add_headers(scope: Scope, headers: MutableHeaders) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()"
    headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    headers.setdefault("Cache-Control", "no-cache" if _is_page(scope) else "no-store")
    if str(scope.get("path", "")).startswith(FOREIGN_PREFIXES):
        headers.update(CORS_HEADERS)  # on refusals too, or a page cannot read them
