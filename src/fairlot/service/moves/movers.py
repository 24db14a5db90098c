"""How many known units change when one deal follows another: the arithmetic of one experiment.

It decides for all units at once what `fairlot.engine.decide` decides for each: holdout, layer,
divert, memory, person, sample, variant, recipe.
"""

from collections import Counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlot.service.moves.deals import Arm, Deal, Gate
from fairlot.service.moves.hashed_units import HashedUnits
from fairlot.service.moves.questions import Half, Matching, Question, Tally
from fairlot.service.moves.shares import Pair

Mask = NDArray[np.bool_]
# The position of a variant in `Question.variants`; NONE is no variant.
Answers = NDArray[np.int16]
NONE: Final = -1


class Traces(NamedTuple):
    """What the log knows of some units in one experiment, an entry a unit.

    `stored` is the earliest variant that the server remembers and that the side still has, `shown`
    what an SDK drew last where the server remembers nothing. `by_adapter` are those whose variant
    came from a decision adapter.
    """

    exposed: Mask
    stored_before: Answers
    stored_after: Answers
    shown: Answers
    by_adapter: Mask

    def only(self, chosen: slice) -> "Traces":
        return Traces(
            self.exposed[chosen],
            self.stored_before[chosen],
            self.stored_after[chosen],
            self.shown[chosen],
            self.by_adapter[chosen],
        )


def nothing_known(count: int) -> Traces:
    """Traces of units that were never in the experiment."""
    never = np.zeros(count, np.bool_)
    no_variant = np.full(count, NONE, np.int16)
    return Traces(never, no_variant, no_variant.copy(), no_variant.copy(), never.copy())


def tally(question: Question, units: HashedUnits, traces: Traces) -> Tally:
    """Count the units that the log can tell about; `traces` has an entry for each of them."""
    before = _Answering(question, question.before, units, traces, traces.stored_before)
    after = _Answering(question, question.after, units, traces, traces.stored_after)
    told = before.told_by_draw & after.told_by_draw
    told_after_memory = before.told_after_memory & after.told_after_memory
    remembers = (before.memory != NONE) | (after.memory != NONE)
    stored = (traces.stored_before != NONE) | (traces.stored_after != NONE)
    return Tally(
        by_draw=_pairs(question, before.by_draw[told], after.by_draw[told]),
        after_sticky=_pairs(
            question, before.after_sticky[told_after_memory], after.after_sticky[told_after_memory]
        ),
        stored=int(np.count_nonzero(told_after_memory & stored)),
        shown=int(np.count_nonzero(told_after_memory & remembers & ~stored)),
        by_adapter=int(np.count_nonzero(traces.by_adapter)),
    )


class _Answering:
    """One side's answers to all units, and for which of them the log tells that they are these."""

    def __init__(
        self,
        question: Question,
        half: Half,
        units: HashedUnits,
        traces: Traces,
        stored: Answers,
    ) -> None:
        count = len(units)
        deal = half.deal
        if deal is None or not deal.is_open:
            self.memory = self.by_draw = self.after_sticky = np.full(count, NONE, np.int16)
            self.told_by_draw = self.told_after_memory = np.ones(count, np.bool_)
            return
        codes = {variant: code for code, variant in enumerate(question.variants)}
        self.memory = _memory(deal, codes, traces, stored)
        self.by_draw, self.after_sticky = _answers(deal, codes, units, self.memory)
        page = _shown_by_log(half.page, traces.exposed)
        person = _shown_by_log(half.person, traces.exposed) & ~traces.by_adapter
        self.told_by_draw = page & person
        self.told_after_memory = page & (person | self._memory_comes_first(deal))

    def _memory_comes_first(self, deal: Deal) -> Mask:
        """Where the memory answers before the person part of the audience is looked at."""
        if deal.recheck_audience or deal.diverted is not None:
            return np.zeros(len(self.memory), np.bool_)
        first: Mask = self.memory != NONE
        return first


def _memory(deal: Deal, codes: dict[str, int], traces: Traces, stored: Answers) -> Answers:
    """What is remembered and still a variant."""
    memory: Answers = np.where(stored != NONE, stored, traces.shown)
    exists = np.zeros(len(codes) + 1, np.bool_)  # the last entry is NONE's
    exists[[codes[arm.variant] for arm in deal.arms]] = True
    memory[~exists[memory]] = NONE
    return memory


def _answers(
    deal: Deal, codes: dict[str, int], units: HashedUnits, memory: Answers
) -> tuple[Answers, Answers]:
    """By the draw alone, and with the memory; all parts of the audience count as matching."""
    if deal.diverted is not None:
        drawn = np.full(len(units), codes[deal.diverted], np.int16)
        remembered = drawn
    else:
        drawn = _drawn(deal, codes, units)
        remembered = np.where(memory != NONE, memory, drawn)
        drawn = _served(deal.arms, codes, units, drawn)
        remembered = _served(deal.arms, codes, units, remembered)
    let_in = _passes(deal.held_out, units) & _passes(deal.layer, units)
    return np.where(let_in, drawn, NONE), np.where(let_in, remembered, NONE)


def _drawn(deal: Deal, codes: dict[str, int], units: HashedUnits) -> Answers:
    of_bucket = np.concatenate(
        [np.full(arm.end - arm.start, codes[arm.variant], np.int16) for arm in deal.arms]
    )
    variant = deal.variant_draw
    drawn = of_bucket[units.buckets(variant.salt, variant.purpose)]
    return np.where(_passes(deal.sample, units), drawn, NONE)


def _served(
    arms: tuple[Arm, ...], codes: dict[str, int], units: HashedUnits, answers: Answers
) -> Answers:
    """Those whom the recipe rate of their variant leaves out get none."""
    for arm in arms:
        if arm.served is not None:
            of_arm = answers == codes[arm.variant]
            answers = np.where(of_arm & ~_passes(arm.served, units), NONE, answers)
    return answers


def _passes(gate: Gate | None, units: HashedUnits) -> Mask:
    if gate is None:
        return np.ones(len(units), np.bool_)
    buckets = units.buckets(gate.draw.salt, gate.draw.purpose)
    return (buckets >= gate.start) & (buckets < gate.end)


def _shown_by_log(matching: Matching, exposed: Mask) -> Mask:
    if matching is Matching.EXPOSED:
        return exposed
    return np.full(len(exposed), matching is Matching.EVERYONE)


def _pairs(question: Question, before: Answers, after: Answers) -> Counter[Pair]:
    names: tuple[str | None, ...] = (None, *question.variants)
    width = len(names)
    cells = (before.astype(np.int64) + 1) * width + (after + 1)
    numbers = np.bincount(cells, minlength=width * width)
    return Counter(
        {
            (names[cell // width], names[cell % width]): int(numbers[cell])
            for cell in np.flatnonzero(numbers).tolist()
        }
    )
