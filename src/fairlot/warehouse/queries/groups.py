"""Moments of groups of subjects, by two passes: their means, and then what deviates from them.

Only subjects with events are walked over. All others of a group have the same numbers, nothing
after, nothing before and no history, and are added by how many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import log
from typing import Final, Literal

import ibis
from ibis.expr.types import BooleanValue, IntegerValue, NumericValue, StringValue, Table

from fairlot.stats.grids import CELLS_A_DOUBLING
from fairlot.stats.metrics import CAP_DAYS, Metric, MetricKind
from fairlot.stats.sufficient import Question, View
from fairlot.warehouse.queries.days import DAY_MS, offsets_in
from fairlot.warehouse.queries.measures import Measures, Response
from fairlot.warehouse.queries.steps import Steps, without
from fairlot.warehouse.queries.subjects import ANALYSED, NOT_HUMAN, decoded, status_of

NO_HISTORY: Final = "f"
WALKED: Final = "walked"
FILLED: Final = "filled"
_MILLIONTHS: Final = 1_000_000
_KEYS: Final = ("phase", "variant", "segment", "day")
_NO_DAY: Final = -1


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of a metric, in the order of `Moments`, and the window they share."""

    columns: tuple[str, ...]
    responses: int
    window: int

    @property
    def means(self) -> list[str]:
        return [f"mean_{column}_w{self.window}" for column in self.columns]

    @property
    def products(self) -> list[str]:
        pairs = combinations_with_replacement(self.columns, 2)
        return [_product(pair, self.window) for pair in pairs]

    @property
    def cubes(self) -> list[str]:
        triples = combinations_with_replacement(self.columns[: self.responses], 3)
        return [_product(triple, self.window) for triple in triples]


def _product(columns: Sequence[str], window: int) -> str:
    return f"of_{'_'.join(sorted(columns))}_w{window}"


def block_of(measures: Measures, metric_key: str) -> Block:
    numbers = measures.of[metric_key]
    columns = [f"y{number}" for number in numbers]
    if metric_key in measures.with_covariates:
        columns += [*(f"x{number}" for number in numbers), NO_HISTORY]
    window = measures.windows.index(measures.responses[numbers[0]].window_ms)
    return Block(tuple(columns), len(numbers), window)


class Grouping:
    """The tables between subjects and groups, of one question."""

    def __init__(self, question: Question, measures: Measures) -> None:
        self._question = question
        self._measures = measures
        self._blocks = [block_of(measures, metric.key) for metric in question.metrics]

    def counts(self, subjects: Table) -> Table:
        """How many subjects each group has, `exposed`, and of those `n0`... for each window. The
        excluded have no day, and the variants that they were seen in instead."""
        subjects = decoded(subjects.mutate(status=status_of(subjects)))
        is_analysed = subjects.status == ANALYSED
        masks = [name for name in subjects.columns if name.startswith("mask")]
        is_masked = ~is_analysed & (subjects.status != NOT_HUMAN)
        rows = subjects.select(
            "status", "rel",
            phase=subjects.phase.fill_null(0),
            variant=subjects.variant.fill_null(0),
            day=ibis.ifelse(is_analysed, self.day(subjects.rel), _NO_DAY),
            **{name: ibis.ifelse(is_masked, subjects[name], 0) for name in masks},
            **_segment(subjects, is_analysed),
        )  # fmt: skip
        windows = {
            f"n{number}": ibis.ifelse(self._is_taken(rows.rel, window_ms), 1, 0).sum()
            for number, window_ms in enumerate(self._measures.windows)
        }
        return rows.group_by([*_keys(rows), "status", *masks]).agg(exposed=rows.count(), **windows)

    def day(self, rel: NumericValue) -> IntegerValue:
        """The day of the project, as days since the epoch."""
        question = self._question
        at_ms = rel + question.started_at_ms
        *earlier, (_, last) = offsets_in(
            question.time_zone, question.started_at_ms, question.as_of_ms
        )
        local_ms = at_ms + last
        if earlier:
            cases = [(at_ms < until_ms, offset) for until_ms, offset in earlier]
            local_ms = at_ms + ibis.cases(*cases, else_=last)
        return ((local_ms - local_ms % DAY_MS) / DAY_MS).cast("int64")

    def _is_matured(self, rel: NumericValue, window_ms: int) -> BooleanValue:
        question = self._question
        return rel <= question.as_of_ms - window_ms - question.started_at_ms

    def _is_taken(self, rel: NumericValue, window_ms: int) -> BooleanValue:
        if self._question.view is View.SO_FAR:
            return rel >= 0
        return self._is_matured(rel, window_ms)

    def caps(self, totals: Table, counts: Table, steps: Steps) -> Table | None:
        """One row with a cap for each response that has none yet: `cap0`... by their numbers.

        The least total that at least the quantile of the subjects do not exceed. Null when that
        is not above 0: then most of what there is would be cut off.
        """
        found: Table | None = None
        for number, response in enumerate(self._measures.responses):
            if response.cap is not None and response.cap.quantile is not None:
                bounds = self._bounds(counts, response, response.cap.quantile)
                bounds = steps.step(f"bounds{number}", bounds)
                one = self._cap(totals, bounds, number, response)
                found = one if found is None else joined_all(found, one)
        return found

    def _bounds(self, counts: Table, response: Response, quantile: float) -> Table:
        """One row: the first day, and the place of the cap among the totals from above."""
        n = f"n{self._measures.windows.index(response.window_ms)}"
        analysed = counts.filter(counts.status == ANALYSED)
        first = analysed.agg(first_day=analysed.day.min())
        early = joined_all(analysed, first).filter(lambda row: row.day < row.first_day + CAP_DAYS)
        size = early.agg(first_day=early.first_day.min(), size=early[n].sum())
        above = round((1 - quantile) * _MILLIONTHS)
        scaled = size.size * above
        rank = ((scaled - scaled % _MILLIONTHS) / _MILLIONTHS).cast("int64") + 1
        return size.select("first_day", rank=rank)

    def _cap(self, totals: Table, bounds: Table, number: int, response: Response) -> Table:
        total = totals[self._total(response, "after")]
        rows = totals.select(total=total, day=self.day(totals.rel), rel="rel")
        rows = joined_all(rows, bounds)
        rows = rows.filter(
            (rows.total > 0)
            & (rows.day < rows.first_day + CAP_DAYS)
            & self._is_matured(rows.rel, response.window_ms)
        )
        ranked = rows.mutate(nth=ibis.row_number().over(order_by=rows.total.desc()) + 1)
        return ranked.agg(**{f"cap{number}": ranked.total.max(where=ranked.nth == ranked.rank)})

    def _total(self, response: Response, when: str) -> str:
        return f"{when}{list(self._measures.totals).index(response.uncapped)}"

    def capped(self, totals: Table, caps: Table | None) -> Table:
        """The totals as `y0`... and `x0`... by responses, with `over0`... where one was cut, and
        `taken0`... for each window."""
        rows = totals if caps is None else joined_all(totals, caps)
        columns: dict[str, NumericValue] = {}
        for number, response in enumerate(self._measures.responses):
            after = rows[self._total(response, "after")]
            before = rows[self._total(response, "before")]
            if response.cap is None:
                columns |= {f"y{number}": after, f"x{number}": before}
                continue
            cap = self._cap_value(rows, number, response)
            columns |= {
                f"y{number}": ibis.ifelse(after > cap, cap, after),
                f"x{number}": ibis.ifelse(before > cap, cap, before),
                f"over{number}": ibis.ifelse(after > cap, 1, 0),
            }
        taken = {
            f"taken{number}": ibis.ifelse(self._is_taken(rows.rel, window_ms), 1, 0)
            for number, window_ms in enumerate(self._measures.windows)
        }
        return rows.select(
            "phase", "variant", "skewed",
            day=self.day(rows.rel), **_segment(rows),
            **{NO_HISTORY: rows.no_history}, **columns, **taken,
        )  # fmt: skip

    def _cap_value(self, rows: Table, number: int, response: Response) -> NumericValue:
        """Nothing is above null, so without a cap nothing is cut."""
        if response.cap is not None and response.cap.value is not None:
            return ibis.literal(response.cap.value).cast("float64")
        return rows[f"cap{number}"]

    def means(self, capped: Table, counts: Table) -> Table:
        """By group: the means over all of its subjects, and how many were walked over (`walked0`...
        by window), have a number in each column (`filled0`...), converted (`converted0`... by
        response) and were cut (`cut0`...)."""
        sums: dict[str, NumericValue] = {"skewed": capped.skewed.sum()}
        for number in range(len(self._measures.windows)):
            taken = capped[f"taken{number}"]
            sums[f"{WALKED}{number}"] = taken.sum()
            filled = [capped[each].notnull() for each in self._columns(number)]
            sums[f"{FILLED}{number}"] = ibis.ifelse(ibis.and_(*filled), taken, 0).sum()
        for number, response in enumerate(self._measures.responses):
            taken = capped[f"taken{self._measures.windows.index(response.window_ms)}"]
            is_counted = (taken == 1) & (capped[f"y{number}"] != 0)
            sums[f"converted{number}"] = ibis.ifelse(is_counted, 1, 0).sum()
            if response.cap is not None:
                sums[f"cut{number}"] = (taken * capped[f"over{number}"]).sum()
        for block in self._blocks:
            is_taken = capped[f"taken{block.window}"] == 1
            for column, name in zip(block.columns, block.means, strict=True):
                sums[name] = ibis.ifelse(is_taken, capped[column], _zero()).sum()
        grouped = capped.group_by(_keys(capped)).agg(**sums)
        of = counts.filter(counts.status == ANALYSED).select(*_keys(counts), *self._sizes())
        joined = with_group(grouped, of)
        divided: dict[str, NumericValue] = {}
        for block in self._blocks:
            size = joined[f"n{block.window}"]
            rest = size - joined[f"{WALKED}{block.window}"]
            for column, name in zip(block.columns, block.means, strict=True):
                total = joined[name] + rest if column == NO_HISTORY else joined[name]
                divided[name] = total / ibis.ifelse(size == 0, 1, size)
        return without(joined.mutate(**divided), *self._sizes())

    def _columns(self, window: int) -> list[str]:
        """Of all metrics with that window, each once."""
        blocks = (block for block in self._blocks if block.window == window)
        return list(dict.fromkeys(column for block in blocks for column in block.columns))

    def _sizes(self) -> list[str]:
        return [f"n{number}" for number in range(len(self._measures.windows))]

    def deviations(self, capped: Table, means: Table) -> Table:
        """By group: sums of products of deviations from the means, of those walked over."""
        wanted = {name: column for block in self._blocks
                  for name, column in zip(block.means, block.columns, strict=True)}  # fmt: skip
        joined = with_group(capped, means.select(*_keys(means), *wanted))
        apart = {
            name.replace("mean_", "off_"): ibis.ifelse(
                joined[f"taken{name.rsplit('_w', 1)[1]}"] == 1,
                joined[column] - joined[name],
                _zero(),
            )
            for name, column in wanted.items()
        }
        rows = joined.select(*_keys(joined), **apart)
        sums: dict[str, NumericValue] = {}
        for block in self._blocks:
            pairs = combinations_with_replacement(block.columns, 2)
            triples = combinations_with_replacement(block.columns[: block.responses], 3)
            for columns in [*pairs, *triples]:
                sums[_product(columns, block.window)] = _multiplied(rows, columns, block).sum()
        return rows.group_by(_keys(rows)).agg(**sums)

    @property
    def quantiles(self) -> tuple[Metric, ...]:
        metrics = self._question.metrics
        return tuple(each for each in metrics if each.kind is MetricKind.QUANTILE)

    def cells(self, capped: Table) -> Table:
        """By group and `metric`, the number of a quantile: how many totals other than 0 lie in each
        cell of the grid, by `sign` and `step` (stats/grids.py)."""
        return (
            ibis.union(*self._cells(capped)) if len(self.quantiles) > 1 else self._cells(capped)[0]
        )

    def _cells(self, capped: Table) -> list[Table]:
        found = []
        for number, metric in enumerate(self.quantiles):
            block = block_of(self._measures, metric.key)
            total = capped[block.columns[0]]
            rows = capped.filter((capped[f"taken{block.window}"] == 1) & (total != 0))
            total = rows[block.columns[0]]
            doublings = total.abs().ln() / ibis.literal(log(2)) * CELLS_A_DOUBLING
            cells = rows.select(
                *_keys(rows),
                sign=ibis.ifelse(total > 0, 1, -1),
                step=(doublings + 0.5).floor().cast("int64"),
                metric=ibis.literal(number),
            )
            of = [*_keys(cells), "metric", "sign", "step"]
            found.append(cells.group_by(of).agg(subjects=cells.count()))
        return found


def with_group(rows: Table, groups: Table, how: Literal["inner", "left"] = "inner") -> Table:
    """The rows, each with what `groups` has of its group."""
    keys = _keys(groups)
    right = groups.rename({f"of_{key}": key for key in keys})
    joined = rows.join(right, [(key, f"of_{key}") for key in keys], how=how)
    return without(joined, *(f"of_{key}" for key in keys))


def joined_all(rows: Table, one: Table) -> Table:
    """The rows, each with the only one of `one`.

    The selection ends the join: one that computes would be merged into it, and not be joined on.
    """
    joined = rows.cross_join(one)
    return joined.select(*joined.columns)


def _keys(rows: Table) -> list[str]:
    """Without segments there is no column of them: engines join on no constant."""
    return [key for key in _KEYS if key in rows.columns]


def _zero() -> NumericValue:
    return ibis.literal(0).cast("float64")


def _segment(rows: Table, where: BooleanValue | None = None) -> dict[str, StringValue]:
    if "segment" not in rows.columns:
        return {}
    return {"segment": rows.segment if where is None else ibis.ifelse(where, rows.segment, "")}


def _multiplied(rows: Table, columns: Sequence[str], block: Block) -> NumericValue:
    first, *others = (rows[f"off_{column}_w{block.window}"] for column in columns)
    for other in others:
        first = first * other
    return first
