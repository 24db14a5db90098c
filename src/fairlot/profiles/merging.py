"""Two profiles turn out to be one subject: the older one stays."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fairlot.profiles.attributes import joined_attributes
from fairlot.profiles.consents import joined_consents
from fairlot.profiles.products import joined_views
from fairlot.profiles.properties import joined_property
from fairlot.profiles.records import (
    Activation,
    Display,
    KeptAssignment,
    Profile,
    Property,
)
from fairlot.profiles.sessions import joined_sessions


class Switch(NamedTuple):
    """An experiment in which the profile that is gone had another variant than the one that stays.
    A variant None is the control share of a personalization."""

    experiment_id: str
    experiment_key: str
    from_variant: str | None
    to_variant: str | None


class Merged(NamedTuple):
    """`gone` is what the younger one was."""

    profile: Profile
    gone: Profile
    switched: tuple[Switch, ...]


def merged(one: Profile, other: Profile) -> Merged:
    """The older one wins wherever both say something, but for what is newer by its nature."""
    older, younger = sorted((one, other), key=_age)
    switched = (
        *_switched(older.assignments, younger.assignments),
        *_switched(older.activations, younger.activations),
    )
    profile = msgspec.structs.replace(
        older,
        last_seen_at_ms=max(older.last_seen_at_ms, younger.last_seen_at_ms),
        identifiers=tuple(dict.fromkeys((*older.identifiers, *younger.identifiers))),
        device_ids=tuple(dict.fromkeys((*older.device_ids, *younger.device_ids))),
        user_id=older.user_id or younger.user_id,
        identified_at_ms=_earliest(older.identified_at_ms, younger.identified_at_ms),
        account_id=older.account_id or younger.account_id,
        attributes=joined_attributes(older.attributes, younger.attributes),
        sessions=joined_sessions(older.sessions, younger.sessions),
        properties=_joined_properties(older.properties, younger.properties),
        activations=_joined_activations(older.activations, younger.activations),
        displays=_joined_displays(older.displays, younger.displays),
        assignments=_joined_assignments(older, younger),
        viewed=joined_views(older.viewed, younger.viewed),
        consents=joined_consents(older.consents, younger.consents),
    )
    return Merged(profile, younger, switched)


def _age(profile: Profile) -> tuple[int, str]:
    return profile.created_at_ms, profile.id


def _switched(
    older: Mapping[str, KeptAssignment] | Mapping[str, Activation],
    younger: Mapping[str, KeptAssignment] | Mapping[str, Activation],
) -> tuple[Switch, ...]:
    return tuple(
        Switch(each, theirs.experiment_key, theirs.variant_key, older[each].variant_key)
        for each, theirs in younger.items()
        if each in older and older[each].variant_key != theirs.variant_key
    )


def _earliest(one: int | None, other: int | None) -> int | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)


def _joined_properties(
    older: Mapping[str, Property], younger: Mapping[str, Property]
) -> dict[str, Property]:
    both = {key: joined_property(older[key], younger[key]) for key in older.keys() & younger.keys()}
    return {**younger, **older, **both}


def _joined_activations(
    older: Mapping[str, Activation], younger: Mapping[str, Activation]
) -> dict[str, Activation]:
    """The latest one, in the arm of the older profile."""
    joined = {**younger, **older}
    for key in older.keys() & younger.keys():
        ours, theirs = older[key], younger[key]
        latest = max(ours, theirs, key=lambda each: each.at_ms)
        joined[key] = msgspec.structs.replace(
            latest, variant_key=ours.variant_key, times=ours.times + theirs.times
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


def _joined_assignments(older: Profile, younger: Profile) -> dict[str, KeptAssignment]:
    """The older one's. Whatever leaves the analysis in one of them does so in both."""
    joined = {**younger.assignments, **older.assignments}
    for key in older.assignments.keys() & younger.assignments.keys():
        ours, theirs = older.assignments[key], younger.assignments[key]
        if ours.variant_key != theirs.variant_key:
            theirs = msgspec.structs.replace(
                theirs,
                switched=True,
                earlier_variant=theirs.variant_key,
                earlier_subject=younger.subject_id,
            )
        told = theirs if theirs.switched else ours
        joined[key] = msgspec.structs.replace(
            ours,
            switched=told.switched,
            excluded=ours.excluded or theirs.excluded,
            earlier_variant=told.earlier_variant,
            earlier_subject=told.earlier_subject,
        )
    return joined
