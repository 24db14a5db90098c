"""Who is decided for, over which experiences; and what came of it."""

from collections.abc import Collection
from typing import Any, Final

import msgspec

from fairlot.engine import Decision, Device
from fairlot.profiles import Claim, claim_of_source, user_identifier

DEFAULT_SESSION: Final = "default"
"""The session of a request that names none."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """`names` and `groups` are united; both None asks for everything that runs. Without `exposes`
    displays are neither recorded nor used up, and no exposure is recorded. `keeps_private` leaves
    out of the exposures what says more of a person than which variant it got."""

    claim: Claim
    now_ms: int
    names: Collection[str] | None = None
    groups: Collection[str] | None = None
    device: Device | None = None
    session_id: str | None = None
    product_id: str | None = None
    url: str | None = None
    exposes: bool = True
    keeps_private: bool = False


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """`body` is the variant's payload as it is sent."""

    decision: Decision
    body: Any


def claim_of(source_id: str | None, profile_id: str | None, user_id: str | None) -> Claim | None:
    """A source and its profile id before a user id, which then identifies the profile. A user id
    alone is looked up only. None of them is None."""
    if source_id is not None and profile_id is not None:
        return claim_of_source(source_id, profile_id, user_id=user_id)
    if user_id is not None:
        return Claim((user_identifier(user_id),))
    return None
