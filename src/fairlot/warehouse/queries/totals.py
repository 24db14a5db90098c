"""What exposed subjects did: their conversions in time, and the per-subject totals of them."""

from typing import Final

import ibis
from ibis.expr.types import BooleanValue, NumericValue, Table

from fairlot.stats.metrics import Aggregate
from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.conditions import holds
from fairlot.warehouse.queries.measures import COVARIATE_WINDOW_MS, Measures, Response
from fairlot.warehouse.queries.subjects import ANALYSED

SKEW_MS: Final = 5_000
_TOTALS: Final = ("after", "before")
LARGEST_VALUE: Final = 1e60
"""Larger values, infinite ones and NaN count as 0: the third power of more could not be held."""


def without_repeats(events: Table) -> Table:
    """Each event once, as it was received first."""
    nth = ibis.row_number().over(group_by=events.event_id, order_by=[events.received, events.ms])
    return events.mutate(nth=nth).filter(lambda each: each.nth == 0).drop("nth")


def attributed(subjects: Table, events: Table, question: Question, measures: Measures) -> Table:
    """The events that are within reach of an exposure: `since`, milliseconds since it.

    An event up to 5 s before the exposure, of another sender, is taken to be at it: `skewed`.
    """
    analysed = subjects.filter(subjects.status == ANALYSED)
    taken = analysed.select(
        "subject", "rel", "phase", "variant", "sender",
        *(["segment"] if "segment" in analysed.columns else []),
    )  # fmt: skip
    events = events.rename(event_subject="subject", event_sender="sender")
    joined = taken.inner_join(events, taken.subject == events.event_subject)
    since = joined.ms - question.started_at_ms - joined.rel
    timed = joined.mutate(since=since)
    within = (timed.since >= -COVARIATE_WINDOW_MS) & (timed.since < measures.longest_window_ms)
    near = timed.filter(within)
    skewed = (near.since < 0) & (near.since >= -SKEW_MS) & (near.sender != near.event_sender)
    return near.mutate(
        skewed=ibis.ifelse(skewed, 1, 0),
        since=ibis.ifelse(skewed, 0, near.since),
        value=_clean(near.value),
    )


def _clean(value: NumericValue) -> NumericValue:
    is_number = value.notnull() & (value <= LARGEST_VALUE) & (value >= -LARGEST_VALUE)
    return ibis.ifelse(is_number, value, ibis.literal(0).cast("float64"))


def subject_totals(events: Table, measures: Measures) -> Table:
    """One row for each subject with an event in reach: `after0`... and `before0`... the exposure,
    for each kind of total in order; `no_history` is 1 without any event before."""
    columns = {
        "rel": events.rel.min(),
        "phase": events.phase.min(),
        "variant": events.variant.min(),
        "no_history": ibis.ifelse(events.since < 0, 0, 1).min(),
        "skewed": ibis.ifelse(_is_of_a_metric(events, measures), events.skewed, 0).sum(),
    }
    if "segment" in events.columns:
        columns["segment"] = events.segment.min()
    for number, response in enumerate(measures.totals.values()):
        counts = _counts(events, response)
        after = counts & (events.since >= 0) & (events.since < response.window_ms)
        before = counts & (events.since < 0)
        columns[f"after{number}"] = _total(events, response.total.aggregate, after)
        columns[f"before{number}"] = _total(events, response.total.aggregate, before)
    grouped = events.group_by("subject").agg(**columns)
    return grouped.mutate(
        **{name: grouped[name].cast("float64") for name in columns if name.startswith(_TOTALS)},
        no_history=grouped.no_history.cast("float64"),
    )


def _is_of_a_metric(events: Table, measures: Measures) -> BooleanValue:
    names = {each.total.event_name for each in measures.responses}
    return events.event.isin(sorted(names))


def _counts(events: Table, response: Response) -> BooleanValue:
    counts = events.event == response.total.event_name
    if not response.counts_public:
        counts &= events.trust != "public"
    if response.total.where:
        counts &= holds(events, response.total.where)
    return counts


def _total(events: Table, aggregate: Aggregate, counts: BooleanValue) -> NumericValue:
    if aggregate is Aggregate.SUM:
        return ibis.ifelse(counts, events.value, ibis.literal(0).cast("float64")).sum()
    ones = ibis.ifelse(counts, 1, 0)
    return ones.max() if aggregate is Aggregate.ANY else ones.sum()
