"""Answers with thousands of members, made off the event loop.

Ten thousand zones take 0.1 s to become JSON: too long for the loop that moves audio.
On a thread the interpreter gives the loop its turn every half millisecond.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastapi.responses import Response
from pydantic import BaseModel, TypeAdapter

A = TypeVar("A", bound=BaseModel)


async def bulk(
    kind: TypeAdapter[list[A]], build: Callable[[], Sequence[A]]
) -> Response:
    """Return what *build* gives, as JSON.

    Args:
        kind: Of the answer.
        build: Called on a thread; may read what does not change, and no more.
    """
    content = await asyncio.to_thread(lambda: _render(kind, build))
    return Response(content, media_type="application/json")


def _render(kind: TypeAdapter[list[A]], build: Callable[[], Sequence[A]]) -> bytes:
    return kind.dump_json(list(build()), by_alias=True)
