"""The whole query of a question: one row for each group of subjects."""

from dataclasses import dataclass

import ibis
from ibis.expr.types import Table

from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.dialects import Dialect
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.groups import Grouping, joined_all, with_group
from fairlot.warehouse.queries.measures import Measures, measures_of
from fairlot.warehouse.queries.sources import Sources, sources_of
from fairlot.warehouse.queries.subjects import (
    MAX_PHASES,
    MAX_VARIANTS,
    canonical,
    exposed_subjects,
    linked,
    variants_of,
)
from fairlot.warehouse.queries.totals import attributed, subject_totals, without_repeats


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, and the names of the columns of its rows."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Who was exposed, and the totals of those who did something."""

    exposed: Table
    totals: Table


def group_statement(question: Question, dialect: Dialect, *, may_repeat: bool) -> Statement:
    """Raises UnusableQuestion."""
    question = checked(question)
    sources, measures = sources_of(question, dialect), measures_of(question)
    subjects = subjects_of(sources, question, measures, may_repeat=may_repeat)
    grouping = Grouping(question, measures)
    counts = grouping.counts(subjects.exposed)
    if not question.metrics:
        return written(counts, sources, dialect)
    caps = grouping.caps(subjects.totals, counts)
    capped = grouping.capped(subjects.totals, caps)
    means = grouping.means(capped, counts)
    deviations = grouping.deviations(capped, means)
    rows = with_group(with_group(counts, means, "left"), deviations, "left")
    return written(rows if caps is None else joined_all(rows, caps), sources, dialect)


def subjects_of(
    sources: Sources, question: Question, measures: Measures, *, may_repeat: bool
) -> Subjects:
    links = linked(sources.identities)
    exposed = exposed_subjects(sources, question, links)
    events = sources.conversions
    events = canonical(without_repeats(events) if may_repeat else events, links)
    near = attributed(exposed, events, question, measures)
    return Subjects(exposed, subject_totals(near, measures))


def written(rows: Table, sources: Sources, dialect: Dialect) -> Statement:
    sql = str(ibis.to_sql(rows, dialect=dialect.ibis))
    return Statement(sources.prefixed(sql, dialect), rows.columns)


def checked(question: Question) -> Question:
    """Raises UnusableQuestion."""
    variants = len(variants_of(question).keys)
    if variants > MAX_VARIANTS:
        raise UnusableQuestion("variants", f"{variants} in all phases; {MAX_VARIANTS} can be told")
    if not 0 < len(question.phases) <= MAX_PHASES:
        phases = len(question.phases)
        raise UnusableQuestion("phases", f"{phases} of them; there are 1 to {MAX_PHASES}")
    if question.as_of_ms <= question.started_at_ms:
        raise UnusableQuestion("asOf", "lies before the start; ask about a moment after it")
    return question
