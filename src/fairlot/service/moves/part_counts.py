"""Counting the units of one part of a log: who they are, and what becomes of them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, pairwise, repeat
from typing import NamedTuple

import numpy as np

from fairlot.engine import Unit
from fairlot.service.moves.hashed_units import HashedUnits, blocks_by_length
from fairlot.service.moves.movers import NONE, Traces, nothing_known, tally
from fairlot.service.moves.questions import Counts, Question, Tally
from fairlot.service.moves.traces import Positions, Rows, no_rows, traces_of
from fairlot.warehouse.sightings import NOTHING, Seen, Sightings, experiments_in


def count_part(sightings: Iterable[Sightings], questions: Sequence[Question]) -> Counts:
    """What sightings say to each question. They come in the order in which they were made, those
    of exposures before those of assignments: only who was exposed is known."""
    known = {Unit.SUBJECT: _Known(), Unit.ACCOUNT: _Known()}
    for some in sightings:
        known[Unit.SUBJECT].take(some.subjects, are_exposures=some.are_exposures)
        known[Unit.ACCOUNT].take(some.accounts, are_exposures=some.are_exposures)
    tallies = {question.experiment_key: Tally() for question in questions}
    for unit, units in known.items():
        traced = [each for each in units.traced(questions) if each.question.unit is unit]
        for start, block in units.blocks():
            for each in traced:
                tallies[each.question.experiment_key].add(each.tally(start, block))
    return Counts(len(known[Unit.SUBJECT]), len(known[Unit.ACCOUNT]), tallies)


class _Traced(NamedTuple):
    """What one experiment knows: traces of units in the order of their positions."""

    question: Question
    positions: Positions
    traces: Traces

    def tally(self, start: int, block: HashedUnits) -> Tally:
        """Of the units of a block, whose first has the position `start`."""
        low, high = np.searchsorted(self.positions, (start, start + len(block)))
        own, traces = self.positions[low:high] - start, self.traces.only(slice(low, high))
        if self.question.concerns_everyone:
            return tally(self.question, block, _spread(traces, own, len(block)))
        return tally(self.question, block.only(own), traces) if len(own) else Tally()


class _Known:
    """Distinct units, and the rows about them. A unit gets its place when it is met. When all are
    met, it has a position too, and those of the same byte length follow each other."""

    def __init__(self) -> None:
        self._places: defaultdict[bytes, int] = defaultdict(count().__next__)
        self._rows = [no_rows()]

    def __len__(self) -> int:
        return len(self._places)

    def take(self, seen: Seen, *, are_exposures: bool) -> None:
        if are_exposures:
            places = map(self._places.__getitem__, seen.units)
        else:
            places = map(self._places.get, seen.units, repeat(NONE))
        rows = Rows(
            np.fromiter(places, np.int64, len(seen.units)),
            np.frombuffer(seen.labels, np.int64),
            np.frombuffer(seen.at_ms, np.int64),
        )
        self._rows.append(rows.only((rows.unit != NONE) & (rows.label != NOTHING)))

    def traced(self, questions: Sequence[Question]) -> Iterator[_Traced]:
        joined = Rows(*map(np.concatenate, zip(*self._rows, strict=True)))
        experiment = experiments_in(joined.label).astype(np.uint16)  # which sorts by radix
        order = np.argsort(experiment, kind="stable")
        bounds = np.searchsorted(experiment[order], np.arange(len(questions) + 1))
        by_length = self._by_length()
        position_of = np.empty_like(by_length)
        position_of[by_length] = np.arange(len(by_length))
        for question, (start, end) in zip(questions, pairwise(bounds), strict=True):
            about = joined.only(order[start:end])
            about = about._replace(unit=position_of[about.unit])
            yield _Traced(question, *traces_of(question, about))

    def blocks(self) -> Iterator[tuple[int, HashedUnits]]:
        """All units in blocks of one byte length, each with the position of its first."""
        units = list(self._places)
        return blocks_by_length([units[place] for place in self._by_length().tolist()])

    def _by_length(self) -> Positions:
        lengths = np.fromiter(map(len, self._places), np.int64, len(self._places))
        return np.argsort(lengths, kind="stable")


def _spread(traces: Traces, own: Positions, count: int) -> Traces:
    """The traces of `own` units among `count`; of the others nothing is known."""
    spread = nothing_known(count)
    for column, known in zip(spread, traces, strict=True):
        column[own] = known
    return spread
