"""What a subject said about being recorded, and whether that is in force.

An answer without a category (`GENERAL`) is about everything: it takes the place of all earlier
answers. A later answer in one category stands beside it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from fairlot.profiles.records import Consent, Profile

GENERAL: Final = ""
FOR_EVER_MS: Final = (1 << 63) - 1
"""Later than any instant."""


def consented(
    profile: Profile,
    category: str,
    accepted: bool,
    at_ms: int,
    valid_until_ms: int | None = None,
    source: str | None = None,
) -> Profile:
    """With the answer that was given at `at_ms`, unless a later one is known; of two that were
    given at once the rejection stays. `valid_until_ms` None is without end."""
    given = Consent(accepted=accepted, at_ms=at_ms, valid_until_ms=valid_until_ms, source=source)
    consents = _with(profile.consents, category, given)
    if consents is profile.consents:
        return profile
    return msgspec.structs.replace(profile, consents=consents)


def joined_consents(*sides: Mapping[str, Consent]) -> Mapping[str, Consent]:
    """All of them, as if one subject had given them one after the other."""
    known = [side for side in sides if side]
    if len(known) < 2:
        return known[0] if known else {}
    joined: Mapping[str, Consent] = {}
    for category, given in sorted(_all(known), key=lambda each: each[1].at_ms):
        joined = _with(joined, category, given)
    return joined


def rejected_until_ms(profile: Profile) -> int:
    """Until when what was said so far rejects: `FOR_EVER_MS` without end, 0 for not at all."""
    return max(
        (
            FOR_EVER_MS if each.valid_until_ms is None else each.valid_until_ms
            for each in profile.consents.values()
            if not each.accepted
        ),
        default=0,
    )


def rejects(profile: Profile, now_ms: int) -> bool:
    """Whether nothing may be recorded of this subject: a rejection is in force, whatever its
    category is about."""
    return bool(profile.consents) and now_ms < rejected_until_ms(profile)


def _all(sides: Iterable[Mapping[str, Consent]]) -> Iterable[tuple[str, Consent]]:
    return (item for side in sides for item in side.items())


def _with(consents: Mapping[str, Consent], category: str, given: Consent) -> Mapping[str, Consent]:
    for known_in in (category, GENERAL):
        known = consents.get(known_in)
        if known is not None and not _replaces(given, known):
            return consents
    if category == GENERAL:
        consents = {name: each for name, each in consents.items() if not _replaces(given, each)}
    return {**consents, category: given}


def _replaces(given: Consent, known: Consent) -> bool:
    if given.at_ms == known.at_ms:
        return known.accepted and not given.accepted
    return given.at_ms > known.at_ms
