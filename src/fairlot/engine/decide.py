"""Deciding: a lookup, then the steps of the decision table until one answers."""

from dataclasses import replace

from fairlot.engine.compile import CompiledManifest, constant
from fairlot.engine.model import Context, Decision, Explanation, Reason
from fairlot.engine.step import first_answer
from fairlot.engine.trace import Trace


def decide(
    compiled: CompiledManifest, experiment_key: str, subject_id: str, context: Context
) -> Decision:
    """The variant of one experiment for one subject, and the reason.

    The first step that answers wins. Nothing is kept: `decision.store` says what the caller
    should remember.
    """
    try:
        experiment = compiled.experiments[experiment_key]
    except KeyError:
        return Decision(experiment_key, None, Reason.UNKNOWN)
    unit_id = subject_id if experiment.by_subject else context.account_id or ""
    if context.overrides is not None:
        return experiment.answer(unit_id, subject_id, context)
    if context.sticky is not None:
        return experiment.answer_remembering(unit_id, subject_id, context)
    return experiment.answer_plain(unit_id, subject_id, context)


def explain(
    compiled: CompiledManifest, experiment_key: str, subject_id: str, context: Context
) -> Explanation:
    """`decide` over recorded steps: the same decision, and what each step of the table saw."""
    trace = Trace()
    experiment = compiled.experiments.get(experiment_key)
    if experiment is None:
        experiment = constant(experiment_key, Reason.UNKNOWN)
    answer = first_answer([trace.recorded(step) for step in experiment.steps])
    recorded = replace(experiment, answer_plain=answer, answer_remembering=answer, answer=answer)
    watched = replace(compiled, experiments={experiment_key: recorded})
    decision = decide(watched, experiment_key, subject_id, context)
    return Explanation(decision, tuple(trace.steps(experiment.order, experiment.omitted)))


def holdout_arm(compiled: CompiledManifest, unit_id: str) -> str | None:
    """`held` or `open` while the project has a holdout, else None."""
    return None if compiled.holdout_arm is None else compiled.holdout_arm(unit_id)
