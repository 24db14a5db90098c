"""What a subject answers about being recorded, as a step of its profile."""

from fairlot.engine.errors import shorten
from fairlot.profiles import Profile
from fairlot.profiles.consents import MAX_CATEGORIES, consented, has_room
from fairlot.service.profiles import ChangeRefused


def answered(
    profile: Profile,
    category: str,
    accepted: bool,
    at_ms: int,
    valid_until_ms: int | None,
    source: str | None,
) -> Profile:
    """Raises ChangeRefused for an acceptance in one more category than a profile holds; a rejection
    is never refused."""
    if accepted and not has_room(profile, category):
        problem = (
            f"{shorten(category)}: this subject has answered in {MAX_CATEGORIES} others; use one of"
            " those, or leave it out: the answer is then about everything"
        )
        raise ChangeRefused("category", problem)
    return consented(profile, category, accepted, at_ms, valid_until_ms, source)
