"""Evidence out of the events themselves: one scan of conversions, one of exposures, one of both.

Subjects are taken as they were recorded here, without the links of logins: what is counted are
symptoms, not the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.service.doctor.circumstances import until_ms
from fairlot.warehouse.queries.dialects import Dialect, dialect_named
from fairlot.warehouse.queries.sources import of_experiment
from fairlot.warehouse.queries.totals import LARGEST_VALUE

HOUR_MS: Final = 3_600_000
JUST_MS: Final = 2 * 60_000
SKEW_MS: Final = 5_000
HISTORY_MS: Final = 14 * 24 * HOUR_MS
LATE_MS: Final = 24 * HOUR_MS
_SAMPLED: Final = 200_000
"""So many subjects are enough to see in which order things happen."""


@dataclass(frozen=True, slots=True)
class Received:
    """Of one event name: how many conversions came, and how many of them are odd. The values of
    `uncounted` are infinite, or beyond LARGEST_VALUE. `late` came a day after they happened, or
    later."""

    events: int
    valueless: int
    uncounted: int
    negative: int
    public: int
    late: int


@dataclass(frozen=True, slots=True)
class Order:
    """How many conversions of a name lie in the hour before the first exposure of their subject, in
    the two minutes of it that are next to the exposure, in the hour after, and in the two weeks
    before these. Those that results count at the exposure, up to 5 s before it and of another
    sender, are after it here too: `skewed`. `alike` are those of other senders in the 5 s before.

    How many subjects have any in the hour before, in the hour after, and in either.
    """

    before: int
    just_before: int
    after: int
    earlier: int
    skewed: int
    alike: int
    subjects_before: int
    subjects_after: int
    subjects: int


@dataclass(frozen=True, slots=True)
class Early:
    """What lies before the start; `first_ms` is 0 of nothing."""

    exposures: int
    subjects: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class Redrawn:
    """Subjects that were seen in several variants: one unit of theirs was, or only several of their
    units together."""

    of_one_unit: int
    of_several_units: int


def event_names(case: Case) -> dict[str, set[str]]:
    """The names that metrics count, each with the keys of those metrics."""
    found: dict[str, set[str]] = {}
    for metric in case.question.metrics:
        for total in (metric.numerator, metric.denominator):
            if total is not None:
                found.setdefault(total.event_name, set()).add(metric.key)
    return found


def received_by_name(case: Case) -> Mapping[str, Received]:
    names = event_names(case)
    if not names:
        return {}
    to = dialect_named(case.engine.dialect)
    late = f"{to.millis('received_at')} - {to.millis('occurred_at')} >= {LATE_MS}"
    rows = case.engine.fetch(
        f"SELECT event_name, COUNT(*), {_how_many('value IS NULL')},"  # noqa: S608 - bound by `string`
        f" {_how_many(f'NOT (value <= {LARGEST_VALUE} AND value >= -{LARGEST_VALUE})')},"
        f" {_how_many('value < 0')}, {_how_many(_PUBLIC)}, {_how_many(late)}"
        f" FROM conversions WHERE {_own(case, to)} AND event_name IN ({_listed(names, to)})"
        " GROUP BY event_name"
    )
    return {row[0]: Received(*map(int, row[1:])) for row in rows}


def public_exposures(case: Case) -> tuple[int, int]:
    """All exposures, and those that anyone could have sent."""
    to = dialect_named(case.engine.dialect)
    ((count, public),) = case.engine.fetch(
        f"SELECT COUNT(*), {_how_many(_PUBLIC)} FROM exposures WHERE {_shown(case, to)}"  # noqa: S608
    )
    return int(count), int(public)


def exposures_before_start(case: Case) -> Early:
    to = dialect_named(case.engine.dialect)
    question = case.question
    where = [
        f"project_id = {to.string(question.project_id)}",
        "COALESCE(actor, 'human') = 'human'",
        *of_experiment(question, to),
        f"occurred_at < {to.instant(question.started_at_ms)}",
    ]
    ((exposures, subjects, first_ms),) = case.engine.fetch(
        f"SELECT COUNT(*), COUNT(DISTINCT subject_id), MIN({to.millis('occurred_at')})"  # noqa: S608
        f" FROM exposures WHERE {' AND '.join(where)}"
    )
    return Early(int(exposures), int(subjects), int(first_ms or 0))


def exposed_units(case: Case) -> dict[str, int]:
    """How many units were exposed to each variant that they had drawn."""
    to = dialect_named(case.engine.dialect)
    rows = case.engine.fetch(
        f"SELECT variant_key, COUNT(DISTINCT unit_id) FROM exposures WHERE {_shown(case, to)}"  # noqa: S608
        " AND reason IN ('bucket', 'sticky', 'adapter') GROUP BY variant_key"
    )
    return {row[0]: int(row[1]) for row in rows}


def redrawn_subjects(case: Case) -> Redrawn:
    to = dialect_named(case.engine.dialect)
    ((of_one, of_several),) = case.engine.fetch(
        "WITH u AS (SELECT subject_id, MIN(variant_key) AS first_key, MAX(variant_key) AS last_key"  # noqa: S608
        f" FROM exposures WHERE {_shown(case, to)} GROUP BY subject_id, unit_id),"
        " s AS (SELECT MAX(CASE WHEN first_key <> last_key THEN 1 ELSE 0 END) AS by_one,"
        " MIN(first_key) AS first_key, MAX(last_key) AS last_key FROM u GROUP BY subject_id)"
        f" SELECT {_how_many('by_one = 1')}, {_how_many('by_one = 0 AND first_key <> last_key')}"
        " FROM s"
    )
    return Redrawn(int(of_one), int(of_several))


def order_by_name(case: Case) -> Mapping[str, Order]:
    """Over a sample of the subjects where there are many."""
    names = event_names(case)
    if not names or not case.analysed:
        return {}
    to = dialect_named(case.engine.dialect)
    sample = f"{to.hashed('subject_id')} % {1 + case.analysed // _SAMPLED} = 0"
    counts = [f"{_how_many(place)} AS n{number}" for number, place in enumerate(_PLACES)]
    sent = f"COALESCE(sender_id, '') AS sender, {to.millis('occurred_at')} AS ms"
    rows = case.engine.fetch(
        f"WITH e AS (SELECT subject_id, {sent},"  # noqa: S608
        " ROW_NUMBER() OVER (PARTITION BY subject_id ORDER BY occurred_at, event_id) AS nth"
        f" FROM exposures WHERE {_shown(case, to)} AND {sample}),"
        f" c AS (SELECT subject_id, event_name, {sent} FROM conversions"
        f" WHERE {_own(case, to, HISTORY_MS)} AND {sample}"
        f" AND event_name IN ({_listed(names, to)})),"
        " p AS (SELECT c.event_name, c.subject_id, c.ms - e.ms AS since,"
        f" CASE WHEN c.sender = e.sender THEN 0 ELSE -{SKEW_MS} END AS starts"
        " FROM c JOIN e ON e.subject_id = c.subject_id AND e.nth = 1),"
        f" s AS (SELECT event_name, {', '.join(counts)} FROM p GROUP BY event_name, subject_id)"
        f" SELECT event_name, {', '.join(f'SUM(n{number})' for number in range(len(counts)))},"
        f" {_how_many('n0 > 0')}, {_how_many('n2 > 0')}, {_how_many('n0 + n2 > 0')}"
        " FROM s GROUP BY event_name"
    )
    return {row[0]: Order(*map(int, row[1:])) for row in rows}


_PLACES: Final = (
    f"since < starts AND since >= -{HOUR_MS}",
    f"since < starts AND since >= -{JUST_MS}",
    f"since >= starts AND since < {HOUR_MS}",
    f"since < -{HOUR_MS} AND since >= -{HISTORY_MS}",
    "since >= starts AND since < 0",
    "since < starts AND since >= 2 * starts",
)
"""Of the first numbers of an Order, in its order; `starts` is where after begins."""
_PUBLIC: Final = "trust = 'public'"


def _how_many(condition: str) -> str:
    return f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"


def _shown(case: Case, to: Dialect) -> str:
    return (
        f"{_own(case, to)} AND occurred_at < {to.instant(until_ms(case.question))}"
        f" AND {' AND '.join(of_experiment(case.question, to))}"
    )


def _own(case: Case, to: Dialect, before_ms: int = 0) -> str:
    question = case.question
    return (
        f"project_id = {to.string(question.project_id)} AND COALESCE(actor, 'human') = 'human'"
        f" AND occurred_at >= {to.instant(question.started_at_ms - before_ms)}"
        f" AND occurred_at < {to.instant(question.as_of_ms)}"
    )


def _listed(names: Mapping[str, object], to: Dialect) -> str:
    return ", ".join(to.string(name) for name in sorted(names))
