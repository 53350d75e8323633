"""What zones allow."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamer.air.policy import ZonePolicy
from streamer.air.policydocument import policy_document, policy_of
from streamer.api.access import AirReader, Manager, ServicesHere
from streamer.api.policies import Policy, PolicyInfo
from streamer.api.problems import Problem
from streamer.api.services import Services
from streamer.studio.policies import PolicyKeeper

router = APIRouter(tags=["policies"])


@router.get("/policies")
async def list_policies(services: ServicesHere, _: AirReader) -> list[PolicyInfo]:
    """List the zones that have a policy of their own."""
    held = _keeper(services).all()
    tree = services.studio.tree
    return [_info(zone.id, held[zone.id], services) for zone in tree if zone.id in held]


@router.get("/zones/{zone_id}/policy")
async def get_policy(zone_id: str, services: ServicesHere, _: AirReader) -> PolicyInfo:
    """Return a zone's own policy."""
    services.zones.get(zone_id)  # raises when it never was
    return _info(zone_id, _keeper(services).get(zone_id), services)


@router.put("/zones/{zone_id}/policy")
async def put_policy(
    zone_id: str, wanted: Policy, services: ServicesHere, manager: Manager
) -> PolicyInfo:
    """Set a zone's policy; it holds for what starts from now on."""
    services.zones.get(zone_id)
    try:
        policy = policy_of(wanted.document())
    except ValueError as error:
        raise Problem(422, "invalid-policy", f"Impossible: {error}.") from error
    await _keeper(services).put(zone_id, policy, changed_by=manager.id)
    return _info(zone_id, policy, services)


@router.delete("/zones/{zone_id}/policy", status_code=204)
async def delete_policy(zone_id: str, services: ServicesHere, _: Manager) -> Response:
    """Take a zone's policy away; those above it still hold."""
    await _keeper(services).delete(zone_id)
    return Response(status_code=204)


def _keeper(services: Services) -> PolicyKeeper:
    if services.policies is None:
        raise Problem(503, "no-policies", "This server keeps no policies.")
    return services.policies


def _info(zone_id: str, policy: ZonePolicy, services: Services) -> PolicyInfo:
    held = _keeper(services).all()
    above = services.studio.tree.ancestors(zone_id)
    return PolicyInfo(
        zone_id=zone_id,
        policy=Policy.model_validate(policy_document(policy)),
        inherited_from=[each for each in above if each in held],
    )
