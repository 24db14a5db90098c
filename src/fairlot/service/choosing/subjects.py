"""Whom a request is about, and what is known of them."""

from collections.abc import Mapping
from typing import NamedTuple

from fairlot.engine import Context
from fairlot.profiles import Claim, Profile
from fairlot.profiles.sessions import is_news, seen, visitor_status
from fairlot.service.choosing.errors import UnknownUser
from fairlot.service.choosing.question import Question
from fairlot.service.privacy import Rejections
from fairlot.service.profiles import Profiles, Work
from fairlot.service.profiles.contexts import known_context


class Subject(NamedTuple):
    """With `may_record` false it is decided for, and nothing is kept of it."""

    profile: Profile
    may_record: bool


async def subject_of(
    profiles: Profiles, privacy: Rejections, project_id: str, question: Question
) -> Subject:
    """A profile that is new, or that a user id identifies, is durable when this returns. Raises
    UnknownUser and ProfilesUnavailable."""
    claim = question.claim
    known = await profiles.find(project_id, claim.find)
    if known is not None and claim.user_id in (None, known.user_id):
        return Subject(known, not privacy.rejects(project_id, known.subject_id))
    if known is None and not claim.subject_ids:
        raise UnknownUser(claim.find[0].value)
    work = Work(
        project_id,
        claim,
        question.now_ms,
        session_id=question.session_id,
        is_private=question.keeps_private,
    )
    applied = await profiles.apply(work)
    profile = applied.profile or known or _nobody(project_id, claim, question.now_ms)
    return Subject(profile, not applied.rejects)


async def context_of(
    profiles: Profiles,
    profile: Profile,
    context: Context,
    session_id: str | None,
    history: Mapping[str, int],
) -> Context:
    """The context of all decisions of a request, with the variants that the profile remembers."""
    now_ms = context.now_ms
    if is_news(profile, now_ms, session_id):  # this request may begin the second visit
        context.visitor_status = visitor_status(seen(profile, now_ms, session_id))
    context = await known_context(profiles, profile.project_id, profile, context, history)
    context.sticky = {
        each.experiment_key: each.variant_key for each in profile.assignments.values()
    }
    return context


def _nobody(project_id: str, claim: Claim, now_ms: int) -> Profile:
    """Who was deleted and had rejected: decided for by the same id, and never kept."""
    subject_id = claim.subject_ids[0]
    return Profile(
        id="",
        project_id=project_id,
        subject_id=subject_id,
        created_at_ms=now_ms,
        last_seen_at_ms=now_ms,
    )
