"""The analysed subjects one by one, for permutations of their labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
from ibis.expr.types import Table

from fairlot.stats.metrics import CAP_DAYS
from fairlot.stats.sufficient import Question, View
from fairlot.warehouse.queries.dialects import dialect_named
from fairlot.warehouse.queries.engines import Engine, Row
from fairlot.warehouse.queries.groups import NO_HISTORY, Grouping, block_of
from fairlot.warehouse.queries.measures import Measures, Response, measures_of
from fairlot.warehouse.queries.statement import checked, subjects_of
from fairlot.warehouse.queries.steps import Steps, without
from fairlot.warehouse.queries.subjects import ANALYSED, decoded, status_of, variants_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SubjectRows:
    """One entry for each subject that is analysed, in no particular order.

    `variant` numbers into `variant_keys`; `day` counts days since the epoch in the project's time
    zone. `columns` by metric: an array of subjects by the columns of `Moments`, capped. `taken`
    by metric: whether `Question.view` counts the subject.
    """

    variant_keys: tuple[str, ...]
    phase: "NDArray[np.int64]"
    variant: "NDArray[np.int64]"
    day: "NDArray[np.int64]"
    columns: "Mapping[str, NDArray[np.float64]]"
    taken: "Mapping[str, NDArray[np.bool_]]"


def per_subject(engine: Engine, question: Question) -> SubjectRows:
    """Raises QueryFailed and UnusableQuestion. Holds all subjects in memory."""
    import numpy as np

    question, measures = checked(question), measures_of(question)
    steps = Steps(dialect_named(engine.dialect))
    subjects = subjects_of(question, measures, steps, may_repeat=engine.may_repeat)
    table = _joined(subjects.exposed, subjects.totals, question, measures)
    statement = steps.finished(table)
    rows = np.array(_numbers(engine.run(statement)), dtype=np.float64)
    rows = rows.reshape(-1, len(statement.columns))
    return _read(dict(zip(statement.columns, rows.T, strict=True)), question, measures)


def _numbers(rows: list[Row]) -> list[list[float]]:
    return [[float(value) for value in row] for row in rows]


def _joined(exposed: Table, totals: Table, question: Question, measures: Measures) -> Table:
    analysed = decoded(exposed.filter(status_of(exposed) == ANALYSED))
    day = Grouping(question, measures).day(analysed.rel)
    taken = analysed.select("identity", "key", "rel", "phase", "variant", day=day)
    if not question.metrics:
        return without(taken, "identity", "key")
    numbers = range(len(measures.totals))
    names = [f"{when}{number}" for number in numbers for when in ("after", "before")]
    mine = totals.select("no_history", *names, of="identity", at="key")
    joined = taken.left_join(mine, [("identity", "of"), ("key", "at")])
    none = {name: joined[name].fill_null(0.0) for name in names}
    history = ibis.ifelse(joined.of.isnull(), 1.0, joined.no_history)
    return joined.select("rel", "phase", "variant", "day", no_history=history, **none)


def _read(
    found: "Mapping[str, NDArray[np.float64]]", question: Question, measures: Measures
) -> SubjectRows:
    import numpy as np

    columns, taken = {}, {}
    for metric in question.metrics:
        numbers = measures.of[metric.key]
        window_ms = measures.responses[numbers[0]].window_ms
        matured = found["rel"] <= question.as_of_ms - window_ms - question.started_at_ms
        whole = np.ones_like(matured)
        taken[metric.key] = matured if question.view is View.MATURED else whole
        parts = _parts(found, measures, numbers, matured)
        parts[NO_HISTORY] = found["no_history"]
        names = block_of(measures, metric.key).columns
        columns[metric.key] = np.column_stack([parts[name] for name in names])
    return SubjectRows(
        variant_keys=variants_of(question).keys,
        phase=found["phase"].astype(np.int64),
        variant=found["variant"].astype(np.int64),
        day=found["day"].astype(np.int64),
        columns=columns,
        taken=taken,
    )


def _parts(
    found: "Mapping[str, NDArray[np.float64]]",
    measures: Measures,
    numbers: tuple[int, ...],
    matured: "NDArray[np.bool_]",
) -> "dict[str, NDArray[np.float64]]":
    import numpy as np

    parts = {}
    for number in numbers:
        response = measures.responses[number]
        total = list(measures.totals).index(response.uncapped)
        cap = _cap(response, found[f"after{total}"], found["day"], matured)
        parts[f"y{number}"] = np.minimum(found[f"after{total}"], cap)
        parts[f"x{number}"] = np.minimum(found[f"before{total}"], cap)
    return parts


def _cap(
    response: Response,
    totals: "NDArray[np.float64]",
    days: "NDArray[np.float64]",
    matured: "NDArray[np.bool_]",
) -> float:
    """As the query of groups has it; infinite where nothing is cut."""
    import numpy as np

    cap = response.cap
    if cap is None or not len(totals):
        return float("inf")
    if cap.value is not None:
        return cap.value
    early = np.sort(totals[matured & (days < days.min() + CAP_DAYS)])
    above = round((1 - (cap.quantile or 0.0)) * 1_000_000)
    at = len(early) - 1 - len(early) * above // 1_000_000
    return float(early[at]) if at >= 0 and early[at] > 0 else float("inf")
