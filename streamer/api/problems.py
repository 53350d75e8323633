"""Problem details (RFC 9457): every error of the API, with a stable type.

A problem's `type` is ``urn:loacast:problem:<slug>``; clients tell errors apart by
it, people read `detail`. README.md lists every slug.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

TYPE_PREFIX = "urn:loacast:problem:"
MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """An answer that is an error; raise it anywhere below a route.

    Args:
        status: HTTP status, 4xx or 5xx.
        slug: Stable name of the kind of problem.
        detail: What went wrong this time, for a person.
        headers: Further headers of the response.
        members: Extension members (RFC 9457, section 3.2).
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.slug = slug
        self.members = members

    def response(self) -> JSONResponse:
        """Return the problem as bytes to send."""
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": self.slug.replace("-", " ").capitalize(),
            "status": self.status_code,
            "detail": self.detail,
        }
        return JSONResponse(
            body | self.members,
            self.status_code,
            dict(self.headers or {}),
            media_type=MEDIA_TYPE,
        )


def install(app: FastAPI) -> None:
    """Answer every error of *app* with problem details."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_bug)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if not isinstance(error, Problem):
        error = from_status(error.status_code, str(error.detail), error.headers)
    return error.response()


def from_status(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Problem:
    """Return a problem for an error that the framework raised."""
    slug = HTTPStatus(status).phrase.lower().replace(" ", "-")
    return Problem(status, slug, detail, headers=headers)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What was sent is not repeated: it may be secret, huge or not even UTF-8.
    errors = [
        {"location": [_printable(p) for p in fault["loc"]], "message": fault["msg"]}
        for fault in error.errors()[:20]
    ]
    detail = "; ".join(f"{'.'.join(e['location'])}: {e['message']}" for e in errors)
    problem = Problem(422, "invalid-request", detail[:500], errors=errors)
    return problem.response()


def _printable(part: int | str) -> str:
    return str(part)[:100].encode("utf-8", "replace").decode()


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    # Not logged here: the framework raises it once more and uvicorn logs that.
    problem = Problem(500, "internal-error", "The server failed; its log tells more.")
    return problem.response()
