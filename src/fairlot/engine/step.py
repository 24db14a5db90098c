"""How a step of a decision is made, put before others, and described.

A step answers with a decision, or lets the next one try; it reads its arguments and changes
nothing. The last step of a table always answers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from fairlot.engine.audience import PersonTest
from fairlot.engine.bucketing import Draw, bucket_of
from fairlot.engine.hashing import hash32, hash_text
from fairlot.engine.model import Context, Decision

# Both take unit id, subject id and context.
Run = Callable[[str, str, Context], Decision | None]
LastRun = Callable[[str, str, Context], Decision]
Describe = Callable[[str, str, Context], "Seen"]


class Seen(NamedTuple):
    """What a step looked at, in words and as values, for an explanation."""

    note: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table, bound to an experiment.

    `before` puts the step before the rest of them: it answers itself, or as the rest does.
    (Steps that call each other cost less than a loop over them, whose one call site sees a
    different function every time.) `describe` says for an explanation what the step looks at.
    """

    name: str
    before: Callable[[LastRun], LastRun]
    describe: Describe

    def run(self) -> Run:
        """The step alone: its answer, or None to let the next one try."""
        return self.before(cast(LastRun, _passes))


def first_answer(steps: Sequence[Step]) -> LastRun:
    """One function that runs the steps until one answers; the last of them always does."""
    answer = cast(LastRun, _passes)
    for step in reversed(steps):
        answer = step.before(answer)
    return answer


def lookup_step(
    name: str,
    key_in: Callable[[Context], str | None],
    decisions: Mapping[str, Decision],
    what: str,
) -> Step:
    """A step that answers with the variant that the context names, if it exists."""

    def run(_unit: str, _subject: str, context: Context) -> Decision | None:
        key = key_in(context)
        return None if key is None else decisions.get(key)

    def describe(_unit: str, _subject: str, context: Context) -> Seen:
        key = key_in(context)
        if key is None:
            return Seen("none", {})
        known = "" if key in decisions else ", which is no variant any more"
        return Seen(f"{what} {key}{known}", {"variant": key})

    return asking_step(name, run, describe)


def draw_step(name: str, draw: Draw[Decision | None]) -> Step:
    outcome: Run = draw.outcome_for()
    always_answers = None not in draw.outcomes

    def before(rest: LastRun) -> LastRun:
        return cast(LastRun, outcome) if always_answers else _before(outcome, rest)

    return Step(name, before, lambda unit, _subject, _context: describe_draw(draw, unit))


def guard_step(name: str, holds: PersonTest, otherwise: Decision, describe: Describe) -> Step:
    """A step that lets on whoever a test holds for, and answers the others."""

    def before(rest: LastRun) -> LastRun:
        def answer(unit_id: str, subject_id: str, context: Context) -> Decision:
            return rest(unit_id, subject_id, context) if holds(subject_id, context) else otherwise

        return answer

    return Step(name, before, describe)


def asking_step(name: str, run: Run, describe: Describe) -> Step:
    """A step that is a function which answers or passes."""
    return Step(name, lambda rest: _before(run, rest), describe)


def _before(run: Run, rest: LastRun) -> LastRun:
    def answer(unit_id: str, subject_id: str, context: Context) -> Decision:
        decision = run(unit_id, subject_id, context)
        return rest(unit_id, subject_id, context) if decision is None else decision

    return answer


def _passes(_unit_id: str, _subject_id: str, _context: Context) -> None:
    """What comes after a step that runs alone."""


def describe_draw(draw: Draw[Any], unit_id: str) -> Seen:
    """The bucket, and what each range of buckets comes to."""
    bucket = bucket_of(draw.salt, draw.purpose, unit_id)
    starts = (0, *draw.ends[:-1])
    ranges = [
        {"start": start, "end": end, "outcome": _outcome_text(outcome)}
        for start, end, outcome in zip(starts, draw.ends, draw.outcomes, strict=True)
        if start < end
    ]
    spelled = ", ".join(f"[{each['start']}, {each['end']}) {each['outcome']}" for each in ranges)
    return Seen(
        f"bucket {bucket} of {spelled}",
        {
            "hashText": hash_text(draw.salt, draw.purpose, unit_id),
            "hash": hash32(draw.salt, draw.purpose, unit_id),
            "bucket": bucket,
            "ranges": ranges,
        },
    )


def _outcome_text(outcome: Decision | str | None) -> str:
    if outcome is None:
        return "goes on"
    if isinstance(outcome, str):
        return outcome
    return outcome.reason if outcome.variant is None else outcome.variant.key
