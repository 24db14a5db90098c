"""Counting the units of one part of a log: who they are, and what becomes of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fairlot.engine import Unit
from fairlot.service.moves.distinct_units import UNKNOWN, distinct_units
from fairlot.service.moves.hashed_units import HashedUnits, Positions, UnitRows, blocks_of
from fairlot.service.moves.movers import Traces, nothing_known, tally
from fairlot.service.moves.questions import Counts, Question, Tally
from fairlot.service.moves.traces import Rows, traces_of
from fairlot.warehouse.sightings import NOTHING, Seen, Sightings, experiments_in


def count_part(sightings: Iterable[Sightings], questions: Sequence[Question]) -> Counts:
    """What sightings, in the order in which they were made, say to each question."""
    pieces = list(sightings)
    exposed = [each.are_exposures for each in pieces]
    known = {
        Unit.SUBJECT: _known([each.subjects for each in pieces], exposed),
        Unit.ACCOUNT: _known([each.accounts for each in pieces], exposed),
    }
    tallies = {question.experiment_key: Tally() for question in questions}
    for unit, units in known.items():
        traced = [each for each in units.traced(questions) if each.question.unit is unit]
        for start, block in blocks_of(units.distinct):
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
    """The distinct units that were exposed, and what is told of them, by their positions."""

    def __init__(self, distinct: list[UnitRows], rows: Rows) -> None:
        self.distinct = distinct
        self._rows = rows

    def __len__(self) -> int:
        return sum(map(len, self.distinct))

    def traced(self, questions: Sequence[Question]) -> Iterator[_Traced]:
        experiment = experiments_in(self._rows.label).astype(np.uint16)  # which sorts by radix
        order = np.argsort(experiment, kind="stable")
        bounds = np.searchsorted(experiment[order], np.arange(len(questions) + 1))
        for question, (start, end) in zip(questions, pairwise(bounds), strict=True):
            about = self._rows.only(order[start:end])
            yield _Traced(question, *traces_of(question, about))


def _known(seen: Sequence[Seen], exposed: Sequence[bool]) -> _Known:
    """`exposed` says for each of the seen whether it makes its units known."""
    lengths = [np.frombuffer(each.lengths, np.uint16) for each in seen]
    unit, distinct = distinct_units(
        b"".join(each.text for each in seen),
        np.concatenate([np.empty(0, np.uint16), *lengths]),
        np.repeat(np.array(exposed, np.bool_), list(map(len, lengths))),
    )
    rows = Rows(
        unit,
        np.frombuffer(b"".join(each.labels for each in seen), np.int64),
        np.frombuffer(b"".join(each.at_ms for each in seen), np.int64),
    )
    return _Known(distinct, rows.only((rows.unit != UNKNOWN) & (rows.label != NOTHING)))


def _spread(traces: Traces, own: Positions, count: int) -> Traces:
    """The traces of `own` units among `count`; of the others nothing is known."""
    spread = nothing_known(count)
    for column, known in zip(spread, traces, strict=True):
        column[own] = known
    return spread
