"""The request and the answer of the Choose face."""

from typing import Annotated, Any, Final

import msgspec

from fairlot.engine import Decision, Device
from fairlot.http.faces.intempt import SourceId, id_of, read, refuse_names
from fairlot.http.problems import invalid_fields
from fairlot.service.choosing import Chosen, Question, claim_of

_Name = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^[a-zA-Z0-9_-]*$"})]
_DEVICES: Final = {each.value: each for each in Device}
_Device = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^(?i:all|desktop|mobile)$"})]


class Identification(msgspec.Struct, frozen=True, rename="camel"):
    """`sourceId` with `profileId`, or `userId` of a user who is known; with all three the user is
    identified as the profile."""

    source_id: SourceId = None
    profile_id: str | None = None
    user_id: str | None = None


class ChooseRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`names` and `groups` are united, an empty list selects nothing, without both everything that
    runs is asked for. `device` is case-insensitive; without it only what is for every device is
    served, `all` is served everything. `trackExposure` false records no exposure and uses up no
    display. Other fields, as `optimizationType` and `timestamp`, are accepted and mean nothing."""

    identification: Identification | None = None
    names: frozenset[_Name] | None = None
    groups: frozenset[_Name] | None = None
    device: _Device | None = None
    session_id: str | None = None
    product_id: str | None = None
    url: str | None = None
    track_exposure: bool | None = None


class Choice(msgspec.Struct, frozen=True):
    """What is served of one experience. `body` is the variant's payload."""

    name: str
    group: str | None
    body: Any


class Choices(msgspec.Struct, frozen=True):
    """What is not served is absent."""

    choices: tuple[Choice, ...]


_decoder: Final = msgspec.json.Decoder(ChooseRequest)


def read_question(body: bytes, now_ms: int, *, keeps_private: bool = False) -> Question:
    """Raises Refused (400)."""
    request = read(body, _decoder)
    who = request.identification
    if who is None:
        raise invalid_fields("Identification is required")
    claim = claim_of(
        id_of("identification.sourceId", who.source_id),
        id_of("identification.profileId", who.profile_id),
        id_of("identification.userId", who.user_id),
    )
    if claim is None:
        raise invalid_fields(
            "identification: send sourceId together with profileId, or the userId of a known user"
        )
    refuse_names("names", request.names)
    refuse_names("groups", request.groups)
    return Question(
        claim,
        now_ms,
        request.names,
        request.groups,
        _device_of(request.device),
        id_of("sessionId", request.session_id),
        id_of("productId", request.product_id),
        request.url,
        request.track_exposure is not False,
        keeps_private,
    )


def _device_of(given: str | None) -> Device | None:
    if given is None:
        return None
    device = _DEVICES.get(given.lower())
    if device is None:
        raise invalid_fields(f"device: {given[:80]!r} must be all, desktop or mobile")
    return device


def encode_choice(chosen: Chosen) -> bytes:
    decision: Decision = chosen.decision
    group = None if decision.experiment is None else decision.experiment.group
    return msgspec.json.encode(Choice(decision.experiment_key, group, chosen.body))
