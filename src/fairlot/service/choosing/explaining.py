"""Why Choose serves a profile what it does: the decision, and what stands before and after it."""

from fairlot.engine import Context, Experiment, Explanation, Unit, explain
from fairlot.profiles import subject_identifier
from fairlot.service.choosing.displays import display_step
from fairlot.service.choosing.logins import login_step, standing_of
from fairlot.service.choosing.question import DEFAULT_SESSION
from fairlot.service.choosing.subjects import context_of
from fairlot.service.decisions import decide_with_memory
from fairlot.service.profiles import Profiles
from fairlot.service.questions import Stored
from fairlot.service.snapshot import ProjectServing


async def explain_choice(
    profiles: Profiles,
    project: ProjectServing,
    experiment_key: str,
    subject_id: str,
    context: Context,
    session_id: str | None,
    stored: Stored,
) -> Explanation:
    """For the profile that any of its ids names; of an id that nobody has, the draw alone. The
    first step is `login`, and the last `display`: when that answers, nothing is served. Nothing
    is recorded."""
    found = project.compiled.manifest.experiments
    experiment = next((each for each in found if each.key == experiment_key), None)
    if not isinstance(experiment, Experiment):
        return explain(project.compiled, experiment_key, subject_id, context)
    of_subject = experiment.unit is Unit.SUBJECT
    profile = await profiles.find(project.project_id, [subject_identifier(subject_id)])
    drawn_for = subject_id
    if profile is not None:
        history = project.profile_needs.get(experiment_key, {})
        context = await context_of(profiles, profile, context, session_id, history)
        standing = standing_of(experiment, profile)
        drawn_for, kept = standing.subject_id, standing.remembered
        context.sticky = None if kept is None else {experiment_key: kept}
    if not context.sticky and (experiment_key in project.always_look_up or not of_subject):
        decide_with_memory(project, experiment_key, drawn_for, context, stored)
    explanation = explain(project.compiled, experiment_key, drawn_for, context)
    steps = (
        login_step(experiment, profile),
        *explanation.steps,
        display_step(experiment, profile, session_id or DEFAULT_SESSION),
    )
    return Explanation(explanation.decision, steps)
