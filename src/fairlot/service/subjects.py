"""What is known of a subject, for an experiment that asks about it."""

from contextlib import suppress

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


def note_seen(
    profiles: Profiles, project_id: str, subject_id: str, profile: Profile | None, at_ms: int
) -> None:
    """Write soon that a subject was here, unless that is known already, or too much waits."""
    if profile is None or is_news(profile, at_ms, None):
        with suppress(ProfilesUnavailable):
            profiles.post(Work(project_id, claim_of_subject(subject_id), at_ms))
