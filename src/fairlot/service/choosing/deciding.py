"""Which of the candidates have a variant for a profile."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from fairlot.engine import Context, Decision, Reason, decide
from fairlot.profiles import Profile
from fairlot.service.choosing.catalogue import Candidate
from fairlot.service.choosing.displays import is_spent
from fairlot.service.choosing.logins import Standing, standing_of
from fairlot.service.decisions import Decisions, unit_of
from fairlot.service.holdouts import NOT_EVALUATED
from fairlot.service.personalization.active import active_variant
from fairlot.service.snapshot import ProjectServing


class Outcome(NamedTuple):
    """A decision with a variant."""

    candidate: Candidate
    decision: Decision
    standing: Standing


@dataclass(frozen=True, slots=True)
class Outcomes:
    """`evaluated` are the units that a project with a holdout has looked at, as the holdout is
    measured too, each with the first decision."""

    found: list[Outcome] = field(default_factory=list)
    evaluated: dict[str, Decision] = field(default_factory=dict)


async def decide_all(
    decisions: Decisions,
    project: ProjectServing,
    profile: Profile,
    candidates: Sequence[Candidate],
    context: Context,
    session_id: str,
) -> Outcomes:
    """In their order. `context.sticky` holds what the profile remembers."""
    compiled, subject_id, kept = project.compiled, profile.subject_id, profile.assignments
    has_holdout = compiled.manifest.holdout is not None
    outcomes = Outcomes()
    for candidate in candidates:
        experiment = candidate.experiment
        if candidate.is_plain:
            decision = decide(compiled, experiment.key, subject_id, context)
            standing = None
        else:
            if is_spent(experiment.display, profile.displays.get(experiment.id), session_id):
                continue
            standing = standing_of(experiment, profile)
            decision = await _decide_specially(
                decisions, project, profile, candidate, standing, context
            )
        if decision.variant is not None:
            if standing is None:
                standing = Standing(subject_id, None, kept.get(experiment.id))
            outcomes.found.append(Outcome(candidate, decision, standing))
        if has_holdout and not candidate.is_triggered and decision.reason not in NOT_EVALUATED:
            drawn_for = subject_id if standing is None else standing.subject_id
            unit_id = unit_of(experiment, drawn_for, context)
            outcomes.evaluated.setdefault(unit_id, decision)
    return outcomes


async def _decide_specially(
    decisions: Decisions,
    project: ProjectServing,
    profile: Profile,
    candidate: Candidate,
    standing: Standing,
    context: Context,
) -> Decision:
    experiment = candidate.experiment
    if candidate.is_triggered:
        active = active_variant(project, experiment, profile, context)
        variant = None if active is None else active.variant
        return Decision(experiment.key, variant, Reason.STICKY, False, experiment)
    sticky = None if standing.remembered is None else {experiment.key: standing.remembered}
    own = msgspec.structs.replace(context, sticky=sticky)
    if candidate.asks_log and sticky is None:
        return await decisions.decide_remembering(project, experiment.key, standing.subject_id, own)
    return decide(project.compiled, experiment.key, standing.subject_id, own)
