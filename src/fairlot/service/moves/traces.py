"""From rows about units in an experiment to what is known of each unit there."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fairlot.service.moves.hashed_units import Positions
from fairlot.service.moves.movers import NONE, Answers, Traces
from fairlot.service.moves.questions import Half, Question
from fairlot.warehouse.sightings import (
    ASSIGNED,
    BY_ADAPTER,
    DRAWN,
    Labels,
    kinds_in,
    variants_in,
)


class Rows(NamedTuple):
    """An entry a row: about which unit, what is told, as by `label_of`, and when it was."""

    unit: NDArray[np.int64]
    label: Labels
    at_ms: NDArray[np.int64]

    def only(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Rows":
        return Rows(self.unit[chosen], self.label[chosen], self.at_ms[chosen])


def traces_of(question: Question, rows: Rows) -> tuple[Positions, Traces]:
    """The units that the rows are about, sorted, and their traces."""
    positions, unit = np.unique(rows.unit, return_inverse=True)
    rows, count = rows._replace(unit=unit), len(positions)
    kind = kinds_in(rows.label)
    stored, shown = rows.only(kind == ASSIGNED), rows.only(_are_remembered(kind, question))
    has_stored = np.zeros(count, np.bool_)
    has_stored[stored.unit] = True
    seen = rows.only(kind != ASSIGNED)
    traces = Traces(
        exposed=np.ones(count, np.bool_),
        stored_before=_earliest_kept(stored, count, question, question.before),
        stored_after=_earliest_kept(stored, count, question, question.after),
        shown=np.where(has_stored, NONE, _newest(shown, variants_in(shown.label), count)),
        by_adapter=_newest(seen, kinds_in(seen.label), count) == BY_ADAPTER,
    )
    return positions, traces


def _are_remembered(kind: NDArray[np.int8], question: Question) -> NDArray[np.bool_]:
    """The exposures whose variant an SDK remembers."""
    deals = (half.deal for half in (question.before, question.after))
    adapter_draws = any(deal is not None and deal.adapter_is_randomised for deal in deals)
    return np.isin(kind, (DRAWN, BY_ADAPTER) if adapter_draws else (DRAWN,))


def _earliest_kept(stored: Rows, count: int, question: Question, half: Half) -> Answers:
    """Per unit the variant of the earliest row that names one which the side still has."""
    kept = () if half.deal is None else [arm.variant for arm in half.deal.arms]
    codes = [question.variants.index(variant) for variant in kept]
    backwards = stored.only(np.isin(variants_in(stored.label), codes)).only(slice(None, None, -1))
    ages = backwards._replace(at_ms=-backwards.at_ms)
    return _newest(ages, variants_in(ages.label), count)


def _newest(rows: Rows, values: NDArray[np.int16] | NDArray[np.int8], count: int) -> Answers:
    """Per unit the value of its newest row, of equally new ones the last; NONE without any."""
    order = np.argsort(rows.at_ms, kind="stable")
    newest = np.full(count, NONE, np.int16)
    newest[rows.unit[order]] = values[order]
    return newest
