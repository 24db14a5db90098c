"""What takes subjects of a holdout from one arm to the other: a new rate, and a second unit.

A holdout remembers nobody. Its arm is drawn for each unit by the rate of the moment, so whoever
lies between two rates changes with them, and a subject with an account is drawn by both ids.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from fairlot.service.doctor.case import Case
from fairlot.service.doctor.causes import KnownCause
from fairlot.service.doctor.events import redrawn_subjects
from fairlot.service.holdouts import is_holdout
from fairlot.stats.sufficient import Exclusion, Phase

START_AFRESH: Final = (
    "Delete this holdout and begin another under a new key, with a salt of its own, at the rate"
    " that is to stay."
)
_WHY_NOT_WITHOUT: Final = (
    "To go back to the old rate moves more: who came since then changes too. Of those between the"
    " rates only who came back is known, and that is not by chance, so the arms differ without"
    " them. " + START_AFRESH
)
_ONE_UNIT: Final = (
    "Let all experiments have one unit, subject or account, while the holdout is measured. "
    + START_AFRESH
)
_MOST: Final = 0.5


class _RateChange(NamedTuple):
    version: int
    before: float
    after: float


def redraw_of(case: Case) -> KnownCause | None:
    """None where the case is no holdout's, or where most of those who were seen in both arms were
    so for another reason, as by two ids for one person."""
    left_out = case.sufficient.left_out.get(Exclusion.SEVERAL_VARIANTS, 0)
    if not left_out or not is_holdout(case.question.experiment_key):
        return None
    redrawn = redrawn_subjects(case)
    changes = tuple(_rate_changes(case.phases))
    if changes and redrawn.of_one_unit >= _MOST * left_out:
        return _by_new_rates(case, changes, redrawn.of_one_unit)
    if redrawn.of_several_units >= _MOST * left_out:
        return _by_second_units(case, redrawn.of_several_units)
    return None


def _by_new_rates(case: Case, changes: tuple[_RateChange, ...], subjects: int) -> KnownCause:
    changed = " and ".join(
        f"from {each.before:g} to {each.after:g} in version {each.version}" for each in changes
    )
    return KnownCause(
        sentence=f"its rate changed {changed}, and {subjects} subjects, who came back, were drawn"
        " for the other arm",
        advice=_WHY_NOT_WITHOUT,
        evidence={
            "rateChanges": [
                {"version": each.version, "from": each.before, "to": each.after} for each in changes
            ]
        },
        restored=_restored(case, {each.number: _held_first(case, each) for each in case.phases}),
    )


def _by_second_units(case: Case, subjects: int) -> KnownCause:
    """Of two draws that differ either may have been the first."""
    return KnownCause(
        sentence=f"{subjects} subjects were drawn by more than one unit, their own id and accounts,"
        " as experiments of both units run",
        advice=_ONE_UNIT,
        evidence={"drawnByMoreUnits": subjects},
        restored=_restored(case, dict.fromkeys((each.number for each in case.phases), 0.5)),
    )


def _rate_changes(phases: tuple[Phase, ...]) -> Iterator[_RateChange]:
    for earlier, later in pairwise(phases):
        before, after = _rate(earlier), _rate(later)
        if before != after:
            yield _RateChange(later.first_version, before, after)


def _rate(phase: Phase) -> float:
    return next((arm.share for arm in phase.arms if arm.is_control), 0.0)


def _held_first(case: Case, phase: Phase) -> float:
    """Which part of those who changed after this phase were held in it: a lower rate lets in, a
    higher one holds."""
    rate = _rate(phase)
    later = [_rate(each) for each in case.phases if each.number >= phase.number]
    let_in, kept_out = rate - min(later), max(later) - rate
    return let_in / (let_in + kept_out) if let_in + kept_out else 0.5


def _restored(case: Case, held_first: dict[int, float]) -> dict[int, Counter[str]]:
    counts = {number: Counter(arms) for number, arms in case.exposed.items()}
    for phase in case.phases:
        lost = case.excluded.get((Exclusion.SEVERAL_VARIANTS, phase.number), {})
        subjects = max(lost.values(), default=0)  # each was seen in both arms
        held = round(held_first[phase.number] * subjects)
        for arm in phase.arms:
            counts[phase.number][arm.variant_key] += held if arm.is_control else subjects - held
    return counts
