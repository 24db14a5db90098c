"""The personalization face: Ours Privacy's endpoint over our activations and properties.

It only reads: nothing is recorded, queued or remembered.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from fairlot.engine import Context
from fairlot.http.admission import admit_address, admit_tier
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.auth import project_of_token
from fairlot.http.body import read_body
from fairlot.http.faces.assignment_wire import (
    FIELDS,
    MAX_VISITOR_ID,
    TRUE,
    checked,
    invalid_fields,
    read_loosely,
    unauthorized,
)
from fairlot.http.problems import Refused, unavailable
from fairlot.http.services import Services
from fairlot.http.texts import NO_NUL
from fairlot.profiles import Profile, subject_identifier
from fairlot.service.personalization.active import ActiveVariant, active_variants
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.profiles.contexts import known_context
from fairlot.service.snapshot import ProjectServing

Scalar = str | int | float | bool | None


class PersonalizationRequest(msgspec.Struct, frozen=True):
    """`token` is an experiment token."""

    token: str
    visitor_id: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=MAX_VISITOR_ID, extra_json_schema={"pattern": NO_NUL.pattern}
        ),
    ]


class Personalization(msgspec.Struct, frozen=True, kw_only=True):
    """An activated variant. `assigned_at` is milliseconds since the epoch."""

    experiment_id: str
    experiment_key: str
    experiment_name: str
    variant_id: str
    variant_key: str
    variant_name: str
    payload: Any
    assigned_at: int


class Personalizations(msgspec.Struct, frozen=True, kw_only=True):
    """Always both: what is active, by priority, and what property rules took from events."""

    success: Annotated[bool, TRUE]
    personalizations: tuple[Personalization, ...]
    properties: dict[str, Scalar]


_decode = msgspec.json.Decoder(PersonalizationRequest).decode
_HEADERS = (JSON, NO_STORE)
_REQUEST_FIELDS = {"visitor_id": FIELDS["visitor_id"]}


def personalize(services: Services) -> Handler:
    """POST /api/v1/experiments/personalization"""

    async def answer(scope: Scope, receive: Receive) -> Reply:
        body = await read_body(scope, receive)
        project, visitor_id = _read(services, body)
        admit_tier(services, project.tier, project.project_id)
        admit_address(services, scope)
        try:
            found = await _find(services, project, visitor_id)
        except ProfilesUnavailable:
            raise unavailable("the profiles cannot be read now; try again") from None
        return Reply(200, msgspec.json.encode(found), _HEADERS)

    return answer


def _read(services: Services, body: bytes) -> tuple[ProjectServing, str]:
    """Refused for what is wrong first: the JSON, the token, the fields."""
    try:
        request = _decode(body)
    except (ValueError, RecursionError):
        raise _complaint(services, read_loosely(body)) from None
    project = project_of_token(services, request.token)
    if project is None or "\0" in request.visitor_id:
        raise _complaint(services, {"token": request.token, "visitor_id": request.visitor_id})
    return project, request.visitor_id


def _complaint(services: Services, fields: Mapping[str, Any]) -> Refused:
    token = fields.get("token")
    if not isinstance(token, str) or project_of_token(services, token) is None:
        return unauthorized("token: missing or not known; send the project's experiment token")
    problems = checked(fields, _REQUEST_FIELDS)
    return invalid_fields(problems or ["the body: does not fit the request"])


async def _find(services: Services, project: ProjectServing, visitor_id: str) -> Personalizations:
    profiles, project_id = services.profiles, project.project_id
    profile = await profiles.find(project_id, (subject_identifier(visitor_id),))
    if profile is None:
        return Personalizations(success=True, personalizations=(), properties={})
    active = await _active(services, project, profile)
    return Personalizations(
        success=True,
        personalizations=tuple([await _shown(services, project, profile, each) for each in active]),
        properties={
            key: profile.properties[key].value
            for key in project.rules.property_keys
            if key in profile.properties
        },
    )


async def _active(
    services: Services, project: ProjectServing, profile: Profile
) -> list[ActiveVariant]:
    if not profile.activations:
        return []
    context = await known_context(
        services.profiles,
        project.project_id,
        profile,
        Context(now_ms=services.clock_ms()),
        project.rules.history_wanted,
    )
    return active_variants(project, profile, context)


async def _shown(
    services: Services, project: ProjectServing, profile: Profile, active: ActiveVariant
) -> Personalization:
    experiment, variant = active.experiment, active.variant
    return Personalization(
        experiment_id=experiment.id,
        experiment_key=experiment.key,
        experiment_name=experiment.name,
        variant_id=variant.id,
        variant_key=variant.key,
        variant_name=variant.name,
        payload=await services.feeds.resolve(project.project_id, variant.payload, profile),
        assigned_at=active.activation.at_ms,
    )
