"""Questions answered: the rows of a query, read into sufficient statistics."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain, combinations_with_replacement
from typing import Any, Final

from fairlot.stats.grids import upper_edge
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.moments import Moments
from fairlot.stats.sufficient import (
    ArmDay,
    Excluded,
    Exclusion,
    Grid,
    MetricDay,
    Question,
    Sufficient,
)
from fairlot.warehouse.queries.dialects import Dialect, dialect_named
from fairlot.warehouse.queries.engines import Engine
from fairlot.warehouse.queries.errors import QueryFailed
from fairlot.warehouse.queries.groups import FILLED, NO_HISTORY, WALKED, Block, block_of
from fairlot.warehouse.queries.measures import Measures, measures_of
from fairlot.warehouse.queries.statement import cell_statement, group_statement
from fairlot.warehouse.queries.steps import Statement
from fairlot.warehouse.queries.subjects import (
    ANALYSED,
    NOT_HUMAN,
    STATUSES,
    Variants,
    variants_of,
)

_EPOCH: Final = date(1970, 1, 1)
_OF_EVENTS: Final = (WALKED, FILLED, "skewed", "converted", "cut", "mean_", "of_")
_MAY_BE_NULL: Final = ("segment", "cap")
"""A cap is where it would not be above 0."""
_Row = Mapping[str, Any]
_Cells = Mapping[tuple[tuple[int, int, str, int], int], Counter[float]]


def sql_of(question: Question, dialect: str) -> str:
    """The query that answers, in the SQL of `dialect`, over tables with the public columns; after
    it, of quantiles, the one that counts cells.

    Raises UnknownDialect and UnusableQuestion.
    """
    statements = _statements(question, dialect_named(dialect), may_repeat=dialect != "duckdb")
    return _text(statements)


def answer(engine: Engine, question: Question) -> Sufficient:
    """Raises QueryFailed and UnusableQuestion."""
    dialect = dialect_named(engine.dialect)
    statements = _statements(question, dialect, may_repeat=engine.may_repeat)
    rows, *cells = (_fetched(engine, each) for each in statements)
    for row in chain(rows, *cells):
        _refuse_nulls(row, engine.dialect)
    reader = _Reader(question, _cells_by_group(cells[0]) if cells else {})
    for row in rows:
        reader.read(row)
    return Sufficient(
        question=question,
        rows=tuple(reader.arm_days),
        excluded=reader.all_excluded(),
        caps=_caps(question, reader.measures, rows),
        skewed=sum(int(row.get("skewed") or 0) for row in rows),
        not_human=reader.not_human,
        query_sha256=hashlib.sha256(_text(statements).encode()).hexdigest(),
        left_out=dict(reader.left_out),
    )


def _statements(question: Question, dialect: Dialect, *, may_repeat: bool) -> list[Statement]:
    found = [
        group_statement(question, dialect, may_repeat=may_repeat),
        cell_statement(question, dialect, may_repeat=may_repeat),
    ]
    return [each for each in found if each is not None]


def _text(statements: Iterable[Statement]) -> str:
    return ";\n\n".join(each.sql for each in statements)


def _fetched(engine: Engine, statement: Statement) -> list[_Row]:
    return [dict(zip(statement.columns, row, strict=True)) for row in engine.run(statement)]


def _refuse_nulls(row: _Row, engine: str) -> None:
    """Every engine skips nulls when it adds up, and says nothing."""
    for name, walked in row.items():
        if name.startswith(WALKED) and (walked or 0) != (row[name.replace(WALKED, FILLED)] or 0):
            raise _null_refused(
                engine, f"of {walked} subjects some have a null where each must have a number"
            )
    missing = _null_in(row)
    if missing is not None:
        raise _null_refused(engine, f"{missing} is null in a group that must have a number there")


def _null_in(row: _Row) -> str | None:
    """What is summed up of events is null all together: of a group in which nobody has any."""
    is_walked = any(row[name] is not None for name in row if name.startswith(_OF_EVENTS))
    must = (
        name
        for name in row
        if not name.startswith(_MAY_BE_NULL) and (is_walked or not name.startswith(_OF_EVENTS))
    )
    return next((name for name in must if row[name] is None), None)


def _null_refused(engine: str, detail: str) -> QueryFailed:
    fix = "compare the types of the columns with those of docs/how-to/warehouse.md"
    return QueryFailed(engine, detail, fix)


def _group_of(row: _Row) -> tuple[int, int, str, int]:
    return int(row["phase"]), int(row["variant"]), row.get("segment") or "", int(row["day"])


def _cells_by_group(rows: Iterable[_Row]) -> _Cells:
    cells: _Cells = defaultdict(Counter)
    for row in rows:
        edge = upper_edge(int(row["sign"]), int(row["step"]))
        cells[_group_of(row), int(row["metric"])][edge] += int(row["subjects"])
    return cells


def _caps(question: Question, measures: Measures, rows: Sequence[_Row]) -> dict[str, float]:
    """Of the metrics that have one: as it was given, or as it was found."""
    caps: dict[str, float] = {}
    for metric in question.metrics:
        number = measures.of[metric.key][0]
        cap = measures.responses[number].cap
        if cap is None:
            continue
        value = cap.value if cap.value is not None or not rows else rows[0][f"cap{number}"]
        if value is not None:
            caps[metric.key] = float(value)
    return caps


class _Reader:
    """Reads one row at a time."""

    def __init__(self, question: Question, cells: _Cells) -> None:
        self._cells = cells
        self.measures = measures_of(question)
        self.arm_days: list[ArmDay] = []
        self.not_human = 0
        self.left_out: Counter[Exclusion] = Counter()
        self._question = question
        self._variants: Variants = variants_of(question)
        self._excluded: Counter[tuple[int, str, Exclusion]] = Counter()
        self._blocks = {each.key: block_of(self.measures, each.key) for each in question.metrics}
        self._arms = {
            phase.number: {arm.variant_key for arm in phase.arms} for phase in question.phases
        }

    def read(self, row: _Row) -> None:
        status, exposed = int(row["status"]), int(row["exposed"])
        phase, variant = int(row["phase"]), self._variants.key(int(row["variant"]))
        if status == NOT_HUMAN:
            self.not_human += exposed
        elif status != ANALYSED:
            self._leave_out(STATUSES[status], phase, self._seen(row, variant), exposed)
        elif variant not in self._arms[phase]:
            self._leave_out(Exclusion.UNKNOWN_VARIANT, phase, (variant,), exposed)
        else:
            self.arm_days.append(self._arm_day(row, phase, variant, exposed))

    def _leave_out(
        self, why: Exclusion, phase: int, variants: Iterable[str], subjects: int
    ) -> None:
        self.left_out[why] += subjects
        for variant in variants:
            self._excluded[phase, variant, why] += subjects

    def _seen(self, row: _Row, first: str) -> Iterable[str]:
        if STATUSES[int(row["status"])] is Exclusion.PUBLIC:
            return (first,)
        return self._variants.seen(
            [int(row[f"mask{each}"]) for each in range(self._variants.masks)]
        )

    def all_excluded(self) -> tuple[Excluded, ...]:
        return tuple(Excluded(*what, subjects) for what, subjects in sorted(self._excluded.items()))

    def _arm_day(self, row: _Row, phase: int, variant: str, exposed: int) -> ArmDay:
        return ArmDay(
            phase=phase,
            variant_key=variant,
            segment=_segment_in(row),
            day=_EPOCH + timedelta(days=int(row["day"])),
            exposed=exposed,
            metrics={each.key: self._metric_day(row, each) for each in self._question.metrics},
            grids=self._grids(row),
        )

    def _grids(self, row: _Row) -> dict[str, Grid]:
        """Those of whom the query did not count are at 0."""
        metrics = (each for each in self._question.metrics if each.kind is MetricKind.QUANTILE)
        grids = {}
        for number, metric in enumerate(metrics):
            counts = Counter(self._cells.get((_group_of(row), number), {}))
            zeros = int(row[f"n{self._blocks[metric.key].window}"]) - counts.total()
            if zeros:
                counts[0.0] += zeros
            grids[metric.key] = Grid(dict(sorted(counts.items())))
        return grids

    def _metric_day(self, row: _Row, metric: Metric) -> MetricDay:
        number = self.measures.of[metric.key][0]
        return MetricDay(
            moments=moments_in(row, self._blocks[metric.key]),
            converted=int(row[f"converted{number}"] or 0),
            capped=int(row.get(f"cut{number}") or 0),
        )


def _segment_in(row: _Row) -> str | None:
    """Without the sign that tells an empty value from none."""
    marked = row.get("segment")
    return str(marked)[1:] if marked else None


def moments_in(row: _Row, block: Block) -> Moments:
    """Of the group of a row: what the query summed up, and the subjects without any event."""
    n, walked = int(row[f"n{block.window}"]), int(row[f"{WALKED}{block.window}"] or 0)
    if n == 0:
        means, rest = (0.0,) * len(block.columns), 0
    elif walked == 0:
        means, rest = tuple(float(name == NO_HISTORY) for name in block.columns), 0
    else:
        means, rest = tuple(float(row[name]) for name in block.means), n - walked
    apart = {
        name: float(name == NO_HISTORY) - mean
        for name, mean in zip(block.columns, means, strict=True)
    }
    pairs = combinations_with_replacement(block.columns, 2)
    triples = combinations_with_replacement(block.columns[: block.responses], 3)
    return Moments(
        n=n,
        means=means,
        products=tuple(
            float(row[name] or 0.0) + rest * apart[a] * apart[b]
            for name, (a, b) in zip(block.products, pairs, strict=True)
        ),
        cubes=tuple(
            float(row[name] or 0.0) + rest * apart[a] * apart[b] * apart[c]
            for name, (a, b, c) in zip(block.cubes, triples, strict=True)
        ),
    )
