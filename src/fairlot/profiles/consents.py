"""What a subject said about being recorded, and whether that is in force.

An answer without a category (`GENERAL`) is about everything: it takes the place of all earlier
answers. A later answer in one category stands beside it. Of more than MAX_CATEGORIES a profile
keeps the general answer, then the rejections that end last, then what was accepted last: so it
rejects for as long as it would with all of them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from fairlot.profiles.records import Consent, Profile

GENERAL: Final = ""
MAX_CATEGORIES: Final = 100
MAX_CATEGORY_CHARS: Final = 100
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
    consents = _bounded(_with(profile.consents, category, given))
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
    return _bounded(joined)


def has_room(profile: Profile, category: str) -> bool:
    """Whether an answer in that category is kept beside all others, or in the place of one."""
    known = profile.consents
    return category == GENERAL or category in known or len(known) < MAX_CATEGORIES


def rejected_until_ms(profile: Profile) -> int:
    """Until when what was said so far rejects: `FOR_EVER_MS` without end, 0 for not at all."""
    return max((_rejected_until_ms(each) for each in profile.consents.values()), default=0)


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


def _bounded(consents: Mapping[str, Consent]) -> Mapping[str, Consent]:
    if len(consents) <= MAX_CATEGORIES:
        return consents

    def weight(category: str) -> tuple[bool, int, int, str]:
        given = consents[category]
        return category == GENERAL, _rejected_until_ms(given), given.at_ms, category

    kept = set(sorted(consents, key=weight, reverse=True)[:MAX_CATEGORIES])
    return {category: given for category, given in consents.items() if category in kept}


def _rejected_until_ms(given: Consent) -> int:
    if given.accepted:
        return 0
    return FOR_EVER_MS if given.valid_until_ms is None else given.valid_until_ms


def _replaces(given: Consent, known: Consent) -> bool:
    if given.at_ms == known.at_ms:
        return known.accepted and not given.accepted
    return given.at_ms > known.at_ms
