"""Who moves when one manifest follows another: the effect on each experiment."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import NamedTuple, TypeVar

from fairlot.engine import Experiment, Manifest
from fairlot.manifest.contents import same_content
from fairlot.service.moves.deals import PROPERTIES, SEGMENTS, Deal, Gate, Side, own_facts, sides_of
from fairlot.service.moves.gaps import gaps_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.moves.questions import Question, Tally, question_about
from fairlot.service.moves.reshuffles import reshuffles_of
from fairlot.service.moves.shares import Pair, changing_shares, exact_decimal
from fairlot.service.plan_document import (
    Basis,
    Cause,
    Effect,
    KnownFigure,
    KnownSummary,
    PairCount,
    PairShare,
    Remembered,
)
from fairlot.service.unchanged import without_unchanged

Number = TypeVar("Number", int, Fraction)


class Effects(NamedTuple):
    """`known` is None when the log was not read: it was not given, or nothing had to be counted."""

    effects: tuple[Effect, ...]
    known: KnownSummary | None


class _Compared(NamedTuple):
    """A side is None where the experiment has no answers."""

    key: str
    before: Side | None
    after: Side | None


def effects_of(
    before: Manifest, after: Manifest, known: KnownSubjects | None, *, now_ms: int
) -> Effects:
    """What publishing `after` over `before` does to every experiment whose answers may change, for
    whatever reason: itself, its layer, its segments, the holdout.

    Both are compared as they would answer at `now_ms`. Where nothing was published yet, `before`
    is a manifest without experiments. With `known` this reads the event log, which blocks for
    seconds when it is large: call it in a thread.
    """
    compared = list(_compare(before, after, now_ms))
    questions = {
        each.key: question
        for each in compared
        if (question := question_about(each.before, each.after)) is not None
    }
    counts = None if known is None or not questions else known.count(list(questions.values()))
    tallies = {} if counts is None else counts.tallies
    effects = tuple(
        _effect_of(each, questions.get(each.key), tallies.get(each.key)) for each in compared
    )
    if known is None or counts is None:
        return Effects(effects, None)
    summary = KnownSummary(
        subjects=counts.subjects, accounts=counts.accounts, since_ms=known.since_ms
    )
    return Effects(effects, summary)


def _compare(before: Manifest, after: Manifest, now_ms: int) -> Iterator[_Compared]:
    """In the order of `after`, then what it no longer has."""
    before, after = without_unchanged(before, after)
    old, new = sides_of(before, now_ms), sides_of(after, now_ms)
    for key in dict.fromkeys((*new, *old)):
        if _may_differ(old.get(key), new.get(key)):
            yield _Compared(key, old.get(key), new.get(key))


def _may_differ(before: Side | None, after: Side | None) -> bool:
    if before is None or after is None:
        return any(side is not None and side.deal.is_open for side in (before, after))
    return (
        before.deal != after.deal
        or not same_content(before.audience, after.audience)
        or before.experiment.schedule != after.experiment.schedule
        or not same_content(before.experiment.activation, after.experiment.activation)
    )


def _effect_of(compared: _Compared, question: Question | None, tally: Tally | None) -> Effect:
    key, before, after = compared
    shares = changing_shares(_deal_of(before), _deal_of(after))
    draw = sticky = remembered = None
    if question is not None and tally is not None:
        draw = _figure(tally.by_draw, question.basis)
        sticky = _figure(tally.after_sticky, question.basis_after_memory)
        remembered = Remembered(stored=tally.stored, shown=tally.shown)
    return Effect(
        experiment=key,
        unit=_newest(compared).unit,
        causes=tuple(_causes(before, after)),
        share=exact_decimal(sum(shares.values(), start=Fraction(0))),
        pairs=_pair_shares(shares),
        by_draw=draw,
        after_sticky=sticky,
        remembered=remembered,
        reshuffles=() if before is None or after is None else reshuffles_of(before, after),
        not_countable=gaps_of(
            before, after, question, tally, enters=any(pair[0] is None for pair in shares)
        ),
    )


def _newest(compared: _Compared) -> Experiment:
    side = compared.after or compared.before
    if side is None:
        raise ValueError(f"{compared.key}: neither side has it")
    return side.experiment


def _causes(before: Side | None, after: Side | None) -> Iterator[Cause]:
    if before is None or after is None:
        yield Cause.CREATED if before is None else Cause.REMOVED
        return
    own, own_after = own_facts(before.experiment), own_facts(after.experiment)
    if not same_content(own, own_after):
        yield Cause.EXPERIMENT
    if own.layer == own_after.layer and _draws_anew(before.deal.layer, after.deal.layer):
        yield Cause.LAYER
    segments = before.audience.get(SEGMENTS), after.audience.get(SEGMENTS)
    if not same_content(*segments) and (
        same_content(own.audience.rule, own_after.audience.rule)
        and own.audience.segments == own_after.audience.segments
    ):
        yield Cause.SEGMENT
    if not same_content(before.audience.get(PROPERTIES), after.audience.get(PROPERTIES)) and (
        same_content(own.audience, own_after.audience) and same_content(*segments)
    ):
        yield Cause.PROPERTY
    if before.deal.held_out != after.deal.held_out:
        yield Cause.HOLDOUT


def _deal_of(side: Side | None) -> Deal | None:
    return None if side is None else side.deal


def _draws_anew(before: Gate | None, after: Gate | None) -> bool:
    return before is not None and after is not None and before.draw != after.draw


def _pair_shares(shares: Mapping[Pair, Fraction]) -> tuple[PairShare, ...]:
    return tuple(
        PairShare(before=pair[0], after=pair[1], share=exact_decimal(share))
        for pair, share in _largest_first(shares)
    )


def _figure(numbers: Mapping[Pair, int], basis: Basis) -> KnownFigure | None:
    """None when it is about nobody."""
    if not numbers:
        return None
    pairs = tuple(
        PairCount(before=pair[0], after=pair[1], subjects=number)
        for pair, number in _largest_first(numbers)
        if pair[0] != pair[1]
    )
    entered = sum(pair.subjects for pair in pairs if pair.before is None)
    left = sum(pair.subjects for pair in pairs if pair.after is None)
    return KnownFigure(
        basis=basis,
        subjects=sum(numbers.values()),
        moved=sum(pair.subjects for pair in pairs) - entered - left,
        entered=entered,
        left=left,
        pairs=pairs,
    )


def _largest_first(numbers: Mapping[Pair, Number]) -> list[tuple[Pair, Number]]:
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
