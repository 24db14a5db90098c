"""Which of the candidates have a variant for a profile."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from fairlot.engine import NOT_EVALUATED, Context, Decision, Variant, decide
from fairlot.profiles import KeptAssignment, Profile
from fairlot.service.choosing.catalogue import Candidate
from fairlot.service.choosing.displays import is_spent
from fairlot.service.choosing.logins import standing_of
from fairlot.service.decisions import Decisions, unit_of
from fairlot.service.snapshot import ProjectServing


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A decision with a variant, whose id was drawn, and what the profile keeps of it so far."""

    candidate: Candidate
    decision: Decision
    variant: Variant
    unit_id: str
    kept: KeptAssignment | None


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
    subject_id, kept = profile.subject_id, profile.assignments
    remembered = context.sticky or {}
    has_holdout = project.compiled.manifest.holdout is not None
    outcomes = Outcomes()
    found = outcomes.found
    for candidate in candidates:
        unit_id = subject_id
        if candidate.is_plain:  # as `decide` does, without looking the experiment up again
            if candidate.key in remembered:
                decision = candidate.answer_remembering(subject_id, subject_id, context)
            else:
                decision = candidate.answer_plain(subject_id, subject_id, context)
        elif _is_spent(candidate, profile, session_id):
            continue
        else:
            unit_id, decision = await _decide_specially(
                decisions, project, profile, candidate, context
            )
        variant = decision.variant
        if variant is not None:
            found.append(Outcome(candidate, decision, variant, unit_id, kept.get(candidate.id)))
        if has_holdout and not candidate.is_triggered and decision.reason not in NOT_EVALUATED:
            outcomes.evaluated.setdefault(unit_id, decision)
    return outcomes


def _is_spent(candidate: Candidate, profile: Profile, session_id: str) -> bool:
    last = profile.displays.get(candidate.id)
    return is_spent(candidate.experiment.display, last, session_id)


async def _decide_specially(
    decisions: Decisions,
    project: ProjectServing,
    profile: Profile,
    candidate: Candidate,
    context: Context,
) -> tuple[str, Decision]:
    """And whose id was drawn."""
    experiment = candidate.experiment
    standing = standing_of(experiment, profile)
    unit_id = unit_of(experiment, standing.subject_id, context)
    sticky = None if standing.remembered is None else {experiment.key: standing.remembered}
    own = msgspec.structs.replace(context, sticky=sticky)
    if candidate.asks_log and sticky is None:
        return unit_id, await decisions.decide_remembering(
            project, experiment.key, standing.subject_id, own
        )
    return unit_id, decide(project.compiled, experiment.key, standing.subject_id, own)
