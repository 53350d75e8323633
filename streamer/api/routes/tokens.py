"""Tokens of people and programs."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamer.api.access import Manager, ServicesHere
from streamer.api.answers import IssuedToken, TokenInfo
from streamer.api.problems import Problem
from streamer.api.requests import NewToken

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("")
async def list_tokens(services: ServicesHere, _: Manager) -> list[TokenInfo]:
    """List the tokens, without their secrets."""
    return [TokenInfo.model_validate(token) for token in services.tokens.all()]


@router.post("", status_code=201)
async def create_token(
    new: NewToken, services: ServicesHere, _: Manager
) -> IssuedToken:
    """Create a token; its secret is in this answer and nowhere else."""
    if new.role == "broadcaster" and new.zone_id is None:
        raise Problem(422, "zone-required", "A broadcaster is bound to a zone.")
    if new.zone_id is not None and new.zone_id not in services.studio.tree:
        raise Problem(422, "unknown-zone", f"There is no zone {new.zone_id!r}.")
    token, text = await services.tokens.create(
        name=new.name, role=new.role, zone_id=new.zone_id, expires_utc=new.expires_utc
    )
    return IssuedToken(**TokenInfo.model_validate(token).model_dump(), token=text)


@router.delete("/{token_id}", status_code=204)
async def delete_token(
    token_id: str, services: ServicesHere, manager: Manager
) -> Response:
    """Delete a token; it is refused from now on."""
    if token_id == manager.id:
        raise Problem(409, "own-token", "A token cannot delete itself.")
    await services.tokens.delete(token_id)
    return Response(status_code=204)
