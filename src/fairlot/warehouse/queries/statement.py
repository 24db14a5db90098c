"""The whole query of a question: one row for each group of subjects."""

from dataclasses import dataclass

from ibis.expr.types import Table

from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.dialects import Dialect
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.groups import Grouping, joined_all, with_group
from fairlot.warehouse.queries.measures import Measures, measures_of
from fairlot.warehouse.queries.people import (
    canonical,
    leaving_on_login,
    of_units,
    people_of,
    unit_of_people,
)
from fairlot.warehouse.queries.sources import sources_of
from fairlot.warehouse.queries.steps import Statement, Steps
from fairlot.warehouse.queries.subjects import (
    MAX_PHASES,
    MAX_VARIANTS,
    exposed_subjects,
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
    caps, capped = _measured(grouping, subjects, counts, steps)
    means = steps.step("means", grouping.means(capped, counts))
    deviations = steps.step("deviations", grouping.deviations(capped, means))
    rows = with_group(with_group(counts, means, "left"), deviations, "left")
    return steps.finished(rows if caps is None else joined_all(rows, caps))


def cell_statement(question: Question, dialect: Dialect, *, may_repeat: bool) -> Statement | None:
    """How many subjects of each group have their total in which cell of the grid, for the metrics
    that are quantiles; None without such metrics."""
    measures, steps = measures_of(question), Steps(dialect)
    grouping = Grouping(question, measures)
    if not grouping.quantiles:
        return None
    subjects = subjects_of(question, measures, steps, may_repeat=may_repeat)
    counts = steps.step("counts", grouping.counts(subjects.exposed))
    _, capped = _measured(grouping, subjects, counts, steps)
    return steps.finished(grouping.cells(capped))


def _measured(
    grouping: Grouping, subjects: Subjects, counts: Table, steps: Steps
) -> tuple[Table | None, Table]:
    """The caps, if any are to be found, and the totals below them."""
    caps = grouping.caps(subjects.totals, counts, steps)
    caps = None if caps is None else steps.step("caps", caps)
    return caps, steps.step("measured", grouping.capped(subjects.totals, caps))


def subjects_of(
    question: Question, measures: Measures, steps: Steps, *, may_repeat: bool
) -> Subjects:
    """Raises UnusableQuestion."""
    sources = sources_of(question, measures, steps)
    people = people_of(sources.identities, steps)
    exposures = sources.exposures
    if question.leaves_on_login:
        exposures = leaving_on_login(exposures, people, steps)
    exposures = canonical(exposures, people.links)
    events = without_repeats(sources.conversions) if may_repeat else sources.conversions
    events = canonical(marked(events, measures), people.links)
    if question.by_unit:
        exposures = steps.step("people", exposures)
        events = of_units(events, steps.step("units", unit_of_people(exposures)))
        exposures = exposures.mutate(subject=exposures.unit)
    exposed = exposed_subjects(exposures, question, steps)
    if not question.metrics:
        return Subjects(exposed, exposed)
    near = steps.step("events", attributed(exposed, events, question, measures))
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
