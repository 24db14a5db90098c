"""Two profiles turn out to be one subject: the older one stays."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from fairlot.profiles.consents import joined_consents
from fairlot.profiles.products import joined_views
from fairlot.profiles.properties import joined_property
from fairlot.profiles.records import (
    Activation,
    Display,
    KeptAssignment,
    Profile,
    Property,
    Sessions,
)

T = TypeVar("T")


class Merged(NamedTuple):
    """`switched` are the experiment ids for which `gone` had another variant than what stays, or
    was activated in another arm."""

    profile: Profile
    gone: Profile
    switched: tuple[str, ...]


def merged(one: Profile, other: Profile) -> Merged:
    """The older one wins wherever both say something, but for what is newer by its nature."""
    older, younger = sorted((one, other), key=_age)
    kept = tuple(_differing(older.assignments, younger.assignments))
    switched = (*kept, *_differing(older.activations, younger.activations))
    latest = older if older.last_seen_at_ms >= younger.last_seen_at_ms else younger
    profile = msgspec.structs.replace(
        older,
        last_seen_at_ms=latest.last_seen_at_ms,
        identifiers=tuple(dict.fromkeys((*older.identifiers, *younger.identifiers))),
        user_id=older.user_id or younger.user_id,
        identified_at_ms=_earliest(older.identified_at_ms, younger.identified_at_ms),
        account_id=older.account_id or younger.account_id,
        attributes={**younger.attributes, **older.attributes},
        sessions=_joined_sessions(older.sessions, younger.sessions),
        properties=_joined_properties(older.properties, younger.properties),
        activations=_joined_activations(older.activations, younger.activations),
        displays=_joined_displays(older.displays, younger.displays),
        assignments=_joined_assignments(older, younger, kept),
        viewed=joined_views(older.viewed, younger.viewed),
        consents=joined_consents(older.consents, younger.consents),
    )
    return Merged(profile, younger, switched)


def _age(profile: Profile) -> tuple[int, str]:
    return profile.created_at_ms, profile.id


def _earliest(one: int | None, other: int | None) -> int | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)


def _joined_sessions(older: Sessions, younger: Sessions) -> Sessions:
    latest = max(older, younger, key=lambda each: each.last_at_ms)
    return msgspec.structs.replace(latest, count=older.count + younger.count)


def _joined_properties(
    older: Mapping[str, Property], younger: Mapping[str, Property]
) -> dict[str, Property]:
    both = {key: joined_property(older[key], younger[key]) for key in older.keys() & younger.keys()}
    return {**younger, **older, **both}


def _differing(
    older: Mapping[str, KeptAssignment] | Mapping[str, Activation],
    younger: Mapping[str, KeptAssignment] | Mapping[str, Activation],
) -> list[str]:
    """The ids of the experiments that both have, with another variant."""
    both = [each for each in younger if each in older]
    return [each for each in both if older[each].variant_key != younger[each].variant_key]


def _joined_activations(
    older: Mapping[str, Activation], younger: Mapping[str, Activation]
) -> dict[str, Activation]:
    """The latest one, in the arm of the older profile."""
    joined = {**younger, **older}
    for key in older.keys() & younger.keys():
        latest = max(older[key], younger[key], key=lambda each: each.at_ms)
        joined[key] = msgspec.structs.replace(
            latest,
            variant_key=older[key].variant_key,
            times=older[key].times + younger[key].times,
        )
    return joined


def _joined_displays(
    older: Mapping[str, Display], younger: Mapping[str, Display]
) -> dict[str, Display]:
    joined = {**younger, **older}
    for key in older.keys() & younger.keys():
        latest = max(older[key], younger[key], key=lambda each: each.last_at_ms)
        joined[key] = msgspec.structs.replace(latest, count=older[key].count + younger[key].count)
    return joined


def _joined_assignments(
    older: Profile, younger: Profile, switched: Sequence[str]
) -> dict[str, KeptAssignment]:
    joined = {**younger.assignments, **older.assignments}
    for experiment_id in switched:
        joined[experiment_id] = msgspec.structs.replace(joined[experiment_id], switched=True)
    return joined
