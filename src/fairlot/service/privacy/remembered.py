"""What a rejection is by its names, and what is remembered of those who were deleted."""

from typing import Final

from fairlot.profiles import Profile
from fairlot.profiles.consents import FOR_EVER_MS, GENERAL, consented, rejected_until_ms
from fairlot.service.privacy.rejections import Rejections
from fairlot.store.profiles.rejections import RejectionRow

_BEFORE_ALL_MS: Final = 0
OF_DELETED: Final = "deleted"
"""The source of a consent that was remembered of a deleted subject."""


def said_before(profile: Profile, until_ms: int) -> Profile:
    """The profile that takes a name of a deleted subject, with what that one had rejected: before
    anything else that was said, as it is not known when that was. 0 is nothing."""
    if not until_ms:
        return profile
    valid_until_ms = None if until_ms == FOR_EVER_MS else until_ms
    return consented(profile, GENERAL, False, _BEFORE_ALL_MS, valid_until_ms, OF_DELETED)


def written_rejections(
    profile: Profile, before: Profile | None, known: Rejections, change_no: int
) -> list[RejectionRow]:
    """Its names that have to be written. What this process knows may be behind what another has
    written, so only what has not changed since `before` was read is left out by it."""
    until_ms = rejected_until_ms(profile)
    same = (
        before is not None
        and rejected_until_ms(before) == until_ms
        and before.identifiers == profile.identifiers
    )
    return [
        RejectionRow(profile.project_id, each.digest(), until_ms, change_no)
        for each in profile.identifiers
        if known.until_ms(profile.project_id, each) != until_ms or (until_ms and not same)
    ]
