"""The whole query of a question: one row for each group of subjects."""

from dataclasses import dataclass

from ibis.expr.types import Table

from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.dialects import Dialect
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.groups import Grouping, joined_all, with_group
from fairlot.warehouse.queries.measures import Measures, measures_of
from fairlot.warehouse.queries.sources import sources_of
from fairlot.warehouse.queries.steps import Statement, Steps
from fairlot.warehouse.queries.subjects import (
    MAX_PHASES,
    MAX_VARIANTS,
    canonical,
    exposed_subjects,
    linked,
    variants_of,
)
from fairlot.warehouse.queries.totals import attributed, marked, subject_totals, without_repeats


@dataclass(frozen=True, slots=True)
class Subjects:
    """Who was exposed, and the totals of those who did something."""

    exposed: Table
    totals: Table


def group_statement(question: Question, dialect: Dialect, *, may_repeat: bool) -> Statement:
    """Raises UnusableQuestion."""
    question, measures, steps = checked(question), measures_of(question), Steps(dialect)
    subjects = subjects_of(question, measures, steps, may_repeat=may_repeat)
    grouping = Grouping(question, measures)
    counts = steps.step("counts", grouping.counts(subjects.exposed))
    if not question.metrics:
        return steps.finished(counts)
    caps = grouping.caps(subjects.totals, counts)
    caps = None if caps is None else steps.step("caps", caps)
    capped = steps.step("measured", grouping.capped(subjects.totals, caps))
    means = steps.step("means", grouping.means(capped, counts))
    deviations = steps.step("deviations", grouping.deviations(capped, means))
    rows = with_group(with_group(counts, means, "left"), deviations, "left")
    return steps.finished(rows if caps is None else joined_all(rows, caps))


def subjects_of(
    question: Question, measures: Measures, steps: Steps, *, may_repeat: bool
) -> Subjects:
    """Raises UnusableQuestion."""
    sources = sources_of(question, steps)
    links = steps.step("links", linked(sources.identities))
    exposed = exposed_subjects(sources.exposures, question, links, steps)
    if not question.metrics:
        return Subjects(exposed, exposed)
    events = sources.conversions
    events = marked(without_repeats(events) if may_repeat else events, measures)
    near = attributed(exposed, canonical(events, links), question, measures)
    near = steps.step("events", near)
    return Subjects(exposed, steps.step("totals", subject_totals(near, measures)))


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
