"""What exposed subjects did: their conversions in time, and the per-subject totals of them."""

from functools import reduce
from operator import or_
from typing import Final

import ibis
from ibis.expr.types import BooleanValue, IntegerValue, NumericValue, Table

from fairlot.stats.metrics import Aggregate
from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.conditions import Properties, holds
from fairlot.warehouse.queries.measures import COVARIATE_WINDOW_MS, Measures, Response
from fairlot.warehouse.queries.steps import without
from fairlot.warehouse.queries.subjects import ANALYSED, decoded, status_of

SKEW_MS: Final = 5_000
_PER_MASK: Final = 30
_HISTORY: Final = 1
LARGEST_VALUE: Final = 1e60
"""Larger values, infinite ones and NaN count as 0: the third power of more could not be held."""


def without_repeats(events: Table) -> Table:
    """Each event once, as it was received first."""
    nth = ibis.row_number().over(group_by=events.event_id, order_by=[events.received, events.ms])
    return without(events.mutate(nth=nth).filter(lambda each: each.nth == 0), "nth")


def marked(events: Table, measures: Measures) -> Table:
    """The events as the metrics see them: bits of `hits0`... say in which totals they count."""
    properties = Properties(events, measures.property_paths)
    counts = [_counts(properties, response) for response in measures.totals.values()]
    hits = {
        f"hits{mask}": sum(
            ibis.ifelse(counts[number], ibis.literal(_bit(number), "int64"), 0)
            for number in range(len(counts))
            if _mask(number) == mask
        )
        for mask in range(_masks(measures))
    }
    return events.select("subject", "ms", "sender", value=_clean(events.value), **hits)


def attributed(subjects: Table, events: Table, question: Question, measures: Measures) -> Table:
    """The marked events that are within reach of an exposure: `since`, milliseconds since it.

    An event up to 5 s before the exposure, of another sender, is taken to be at it: `skewed`.
    """
    analysed = subjects.filter(status_of(subjects) == ANALYSED)
    taken = decoded(analysed).select(
        "subject", "identity", "key", "rel", "sender",
        *(["segment"] if "segment" in analysed.columns else []),
    )  # fmt: skip
    events = events.rename(event_subject="subject", event_sender="sender")
    joined = taken.inner_join(events, taken.subject == events.event_subject)
    timed = joined.mutate(since=joined.ms - question.started_at_ms - joined.rel)
    within = (timed.since >= -COVARIATE_WINDOW_MS) & (timed.since < measures.longest_window_ms)
    near = timed.filter(within)
    skewed = (near.since < 0) & (near.since >= -SKEW_MS) & (near.sender != near.event_sender)
    is_of_a_metric = reduce(or_, [near[f"hits{mask}"] != 0 for mask in range(_masks(measures))])
    return near.mutate(
        skewed=ibis.ifelse(skewed & is_of_a_metric, 1.0, 0.0).cast("float64"),
        since=ibis.ifelse(skewed, 0, near.since),
    )


def subject_totals(events: Table, measures: Measures) -> Table:
    """One row for each subject with an event in reach: `after0`... and `before0`... the exposure,
    for each kind of total in order; `no_history` is 1 without any event before.

    Subjects are told by hash and first exposure: two numbers are less than half of an id. What
    only is or is not, is a bit of `seen0`..., the first that there is a history.
    """
    sums: dict[str, NumericValue] = {"skewed": events.skewed.sum()}
    seen: dict[int, list[IntegerValue]] = {0: [ibis.ifelse(events.since < 0, _HISTORY, 0)]}
    for number, response in enumerate(measures.totals.values()):
        after, before = _placed(events, number, response)
        if response.total.aggregate is Aggregate.ANY:
            bit = _seen_bit(number)
            seen.setdefault(_mask(number), []).extend([_int64(after, bit), _int64(before, 2 * bit)])
        else:
            amount = events.value if response.total.aggregate is Aggregate.SUM else 1.0
            sums[f"after{number}"] = _amount(after, amount).sum()
            sums[f"before{number}"] = _amount(before, amount).sum()
    keys = ["identity", "key", *(["segment"] if "segment" in events.columns else [])]
    grouped = events.group_by(keys).agg(
        **sums, **{f"seen{mask}": sum(bits).cast("int64").bit_or() for mask, bits in seen.items()}
    )
    return _unpacked(grouped, measures)


def _unpacked(grouped: Table, measures: Measures) -> Table:
    columns = {"no_history": ibis.ifelse((grouped.seen0 & _HISTORY) != 0, 0.0, 1.0)}
    for number, response in enumerate(measures.totals.values()):
        if response.total.aggregate is Aggregate.ANY:
            seen, bit = grouped[f"seen{_mask(number)}"], _seen_bit(number)
            columns[f"after{number}"] = ibis.ifelse((seen & bit) != 0, 1.0, 0.0)
            columns[f"before{number}"] = ibis.ifelse((seen & 2 * bit) != 0, 1.0, 0.0)
    rows = grouped.mutate(**{name: value.cast("float64") for name, value in columns.items()})
    return decoded(without(rows, *(name for name in rows.columns if name.startswith("seen"))))


def _placed(events: Table, number: int, response: Response) -> tuple[BooleanValue, BooleanValue]:
    """Whether an event counts in a total after the exposure, and whether before."""
    counts = (events[f"hits{_mask(number)}"] & _bit(number)) != 0
    in_window = (events.since >= 0) & (events.since < response.window_ms)
    return counts & in_window, counts & (events.since < 0)


def _counts(properties: Properties, response: Response) -> BooleanValue:
    events = properties.events
    counts = events.event == response.total.event_name
    if not response.counts_public:
        counts &= events.trust != "public"
    if response.total.where:
        counts &= holds(properties, response.total.where)
    return counts


def _clean(value: NumericValue) -> NumericValue:
    is_number = value.notnull() & (value <= LARGEST_VALUE) & (value >= -LARGEST_VALUE)
    return ibis.ifelse(is_number, value, ibis.literal(0).cast("float64"))


def _amount(counts: BooleanValue, amount: NumericValue | float) -> NumericValue:
    return ibis.ifelse(counts, amount, 0.0).cast("float64")


def _int64(holds: BooleanValue, bit: int) -> IntegerValue:
    return ibis.ifelse(holds, ibis.literal(bit, "int64"), 0)


def _masks(measures: Measures) -> int:
    return (len(measures.totals) - 1) // _PER_MASK + 1


def _mask(number: int) -> int:
    return number // _PER_MASK


def _bit(number: int) -> int:
    return 1 << number % _PER_MASK


def _seen_bit(number: int) -> int:
    """Of after; twice that of before."""
    return 2 << 2 * (number % _PER_MASK)
