"""From what was seen of some units to numbers: who they are, what each experiment knows of them,
and how many of them move."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlot.engine import Unit
from fairlot.service.moves.hashed_units import HashedUnits, blocks_by_length
from fairlot.service.moves.movers import NONE, Answers, Mask, Traces, nothing_known, tally
from fairlot.service.moves.questions import Counts, Half, Question, Tally
from fairlot.warehouse.sightings import ASSIGNED, BY_ADAPTER, DRAWN, Rows, Sightings, Units

Positions = NDArray[np.int64]


def count_part(sightings: Sequence[Sightings], questions: Sequence[Question]) -> Counts:
    """What sightings, in the order in which they were made, say to each question."""
    known = {Unit.SUBJECT: _Known(), Unit.ACCOUNT: _Known()}
    # exposures first: they make a unit known
    ordered = sorted(sightings, key=lambda each: not each.are_exposures)
    rows = [_among_known(each, known, questions) for each in ordered]
    traced = _traced(rows, known, questions)
    tallies = {question.experiment_key: Tally() for question in questions}
    for unit, units in known.items():
        asked = [each for each in traced if each.question.unit is unit]
        for start, block in units.blocks():
            for each in asked:
                tallies[each.question.experiment_key].add(each.tally(start, block))
    return Counts(len(known[Unit.SUBJECT]), len(known[Unit.ACCOUNT]), tallies)


class _Known:
    """Distinct units. Each has a place; where all are known, also a position, in which those of
    the same byte length follow each other."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def meet(self, units: Units) -> Positions:
        """The places of units that are known from now on."""
        places = self._places
        met = [places.setdefault(unit, len(places)) for unit in units.each()]
        return np.array(met, np.int64)

    def find(self, units: Units) -> Positions:
        """The places of units; NONE of one that is not known."""
        return np.array([self._places.get(unit, NONE) for unit in units.each()], np.int64)

    def positions(self) -> Positions:
        """By place."""
        order = self._by_length()
        positions = np.empty_like(order)
        positions[order] = np.arange(len(order))
        return positions

    def blocks(self) -> Iterator[tuple[int, HashedUnits]]:
        """All units in blocks of one byte length, each with the position of its first."""
        units = list(self._places)
        yield from blocks_by_length([units[place] for place in self._by_length().tolist()])

    def _by_length(self) -> Positions:
        lengths = np.fromiter(map(len, self._places), np.int64, len(self._places))
        return np.argsort(lengths, kind="stable")


class _Traced(NamedTuple):
    """What one experiment knows: traces of units in the order of their positions."""

    question: Question
    positions: Positions
    traces: Traces

    def tally(self, start: int, block: HashedUnits) -> Tally:
        """Of the units of a block, whose first has the position `start`."""
        low, high = np.searchsorted(self.positions, (start, start + len(block)))
        own = self.positions[low:high] - start
        traces = self.traces.only(slice(low, high))
        if self.question.concerns_everyone:
            return tally(self.question, block, _spread(traces, own, len(block)))
        return tally(self.question, block.only(own), traces) if len(own) else Tally()


def _among_known(
    sightings: Sightings, known: Mapping[Unit, _Known], questions: Sequence[Question]
) -> Rows:
    """The rows about known units, by their places."""
    rows = sightings.rows
    of_account = _are_by_account(questions)[rows.experiment]
    place = np.empty_like(rows.unit)
    for units, own, chosen in (
        (known[Unit.ACCOUNT], sightings.accounts, of_account),
        (known[Unit.SUBJECT], sightings.subjects, ~of_account),
    ):
        places = units.meet(own) if sightings.are_exposures else units.find(own)
        place[chosen] = places[rows.unit[chosen]]
    return rows._replace(unit=place).only(place != NONE)


def _traced(
    rows: Sequence[Rows], known: Mapping[Unit, _Known], questions: Sequence[Question]
) -> list[_Traced]:
    joined = Rows(*map(np.concatenate, zip(*rows, strict=True)))
    order = np.argsort(joined.experiment, kind="stable")
    ends = np.searchsorted(joined.experiment[order], np.arange(len(questions) + 1))
    positions = {unit: units.positions() for unit, units in known.items()}
    traced = []
    for question, start, end in zip(questions, ends, ends[1:], strict=False):
        about = joined.only(order[start:end])
        about = about._replace(unit=positions[question.unit][about.unit])
        traced.append(_Traced(question, *_traces(question, about)))
    return traced


def _are_by_account(questions: Sequence[Question]) -> Mask:
    return np.array([question.unit is Unit.ACCOUNT for question in questions], np.bool_)


def _traces(question: Question, rows: Rows) -> tuple[Positions, Traces]:
    """The positions of all units that the rows are about, sorted, and their traces."""
    positions, unit = np.unique(rows.unit, return_inverse=True)
    rows = rows._replace(unit=unit)
    assigned, drawn = rows.kind == ASSIGNED, rows.kind == DRAWN
    if any(_adapter_draws(half) for half in (question.before, question.after)):
        drawn = drawn | (rows.kind == BY_ADAPTER)
    count = len(positions)
    is_assigned = np.zeros(count, np.bool_)
    is_assigned[unit[assigned]] = True
    by_adapter = _last(rows.only(~assigned), count, rows.kind[~assigned]) == BY_ADAPTER
    shown = _last(rows.only(drawn), count, rows.variant[drawn])
    traces = Traces(
        exposed=np.ones(count, np.bool_),
        stored_before=_first_existing(rows.only(assigned), count, question, question.before),
        stored_after=_first_existing(rows.only(assigned), count, question, question.after),
        shown=np.where(is_assigned, NONE, shown).astype(np.int16),
        by_adapter=by_adapter,
    )
    return positions, traces


def _adapter_draws(half: Half) -> bool:
    return half.deal is not None and half.deal.adapter_is_randomised


def _first_existing(rows: Rows, count: int, question: Question, half: Half) -> Answers:
    """Per unit the variant of the earliest row that the side still has."""
    kept = () if half.deal is None else [arm.variant for arm in half.deal.arms]
    codes = [question.variants.index(variant) for variant in kept]
    rows = rows.only(np.isin(rows.variant, codes))
    backwards = rows.only(np.arange(len(rows.unit))[::-1])
    return _last(backwards._replace(at_ms=-backwards.at_ms), count, backwards.variant)


def _last(rows: Rows, count: int, values: NDArray[np.int16] | NDArray[np.int8]) -> Answers:
    """Per unit the value of its newest row, of equally new ones the last; NONE without any."""
    order = np.argsort(rows.at_ms, kind="stable")
    newest = np.full(count, NONE, np.int16)
    newest[rows.unit[order]] = values[order]
    return newest


def _spread(traces: Traces, own: Positions, count: int) -> Traces:
    """The traces of `own` units among `count`; of the others nothing is known."""
    spread = nothing_known(count)
    for column, known in zip(spread, traces, strict=True):
        column[own] = known
    return spread
