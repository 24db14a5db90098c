"""What is known of a subject, for the experiments that ask about it."""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from fairlot.engine import Context
from fairlot.profiles import Profile, claim_of_subject, subject_identifier
from fairlot.profiles.sessions import is_news
from fairlot.service.profiles import Profiles, ProfilesUnavailable, Work
from fairlot.service.profiles.contexts import known_context
from fairlot.service.snapshot import ProjectServing


async def subject_context(
    profiles: Profiles,
    project: ProjectServing,
    experiment_key: str,
    subject_id: str,
    context: Context,
) -> tuple[Context, Profile | None]:
    """The context with what its profile says, for one of `project.profile_needs`; the others are
    decided by the request alone, here as in a client. Raises ProfilesUnavailable."""
    needs = project.profile_needs.get(experiment_key)
    if needs is None:
        return context, None
    profile = await profiles.find(project.project_id, (subject_identifier(subject_id),))
    # Of all events that the project asks about: one history then serves all of its experiments.
    wanted = project.history_wanted if needs else {}
    known = await known_context(profiles, project.project_id, profile, context, wanted)
    return known, profile


async def all_contexts(
    profiles: Profiles, project: ProjectServing, subject_id: str, context: Context
) -> tuple[Callable[[str], Context], Profile | None]:
    """What `subject_context` gives, by the key of any experiment: the profile is read once, if any
    of them asks about it. Raises ProfilesUnavailable."""
    if not project.profile_needs:
        return lambda _key: msgspec.structs.replace(context), None
    profile = await profiles.find(project.project_id, (subject_identifier(subject_id),))
    known = await known_context(
        profiles, project.project_id, profile, context, project.history_wanted
    )

    def context_of(experiment_key: str) -> Context:
        asks = experiment_key in project.profile_needs
        return msgspec.structs.replace(known if asks else context)

    return context_of, profile


def note_seen(
    profiles: Profiles, project_id: str, subject_id: str, profile: Profile | None, at_ms: int
) -> None:
    """Write soon that a subject was here, unless that is known already, or too much waits."""
    if profile is None or is_news(profile, at_ms, None):
        with suppress(ProfilesUnavailable):
            profiles.post(Work(project_id, claim_of_subject(subject_id), at_ms))
