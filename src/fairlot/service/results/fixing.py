"""What is fixed of an analysis by the first result, and the looks that were taken.

First write wins: whoever comes later reads what stands there, and goes by that.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from fairlot.service.results.fixed import (
    DroppedLook,
    Dropping,
    FixedAnalysis,
    KeptLook,
    decode_analysis,
    definitions_seen,
    redefined,
    stored_looks,
)
from fairlot.service.results.questions import Study
from fairlot.stats.analysis import Fixed, LookName, comparisons_of, primaries_of
from fairlot.stats.closes import closes_of
from fairlot.stats.metrics import CAP_DAYS, Metric
from fairlot.stats.results import Look
from fairlot.stats.sufficient import Question, Sufficient, View
from fairlot.store import Store
from fairlot.store.analyses import (
    LookRow,
    add_analysis,
    add_looks,
    read_analysis,
    replace_analysis,
)
from fairlot.store.experiments import find_experiment
from fairlot.store.tenants import ProjectRow

Kept = Mapping[LookName, Sequence[KeptLook]]
AnyLook = TypeVar("AnyLook", KeptLook, DroppedLook)


class Keeping(Enum):
    """What becomes of looks and caps; the plan is kept in any case."""

    ALL = "all"
    """Those that are stored count, and new ones are stored."""
    NOTHING_NEW = "nothing_new"
    """Of what is incomplete, or not fixed yet: those that are stored count, and nothing is added
    that would stay."""
    NOTHING = "nothing"
    """Of other events than ours: stored looks do not count either; caps stand."""


def fixed_caps(connection: Connection, tenant: ProjectRow, key: str) -> dict[str, float]:
    """By metric, those of an experiment that are final."""
    row = find_experiment(connection, tenant.id, key)
    found = None if row is None else read_analysis(connection, row.id)
    return {} if found is None else decode_analysis(found).caps


class Fixing:
    """Of one study; what is not stored (the holdout's) is made anew each time."""

    def __init__(self, store: Store, study: Study, now_ms: int) -> None:
        self.keeping = Keeping.ALL
        self.dropped: tuple[Dropping, ...] = ()
        """What had been dropped when the analysis was read."""
        self._store = store
        self._study = study
        self._now_ms = now_ms

    def analysis(self) -> FixedAnalysis:
        """As it is stored; as it would be fixed now, where nothing is."""
        experiment_id = self._study.experiment_id
        if experiment_id is None:
            return self._first()
        with self._store.reading() as connection:
            found = read_analysis(connection, experiment_id)
        if found is None:
            return self._first()
        analysis = decode_analysis(found)
        self.dropped = analysis.dropped
        return analysis

    def fix(self, analysis: FixedAnalysis) -> FixedAnalysis:
        """From the first call on it is stored, and what stands there is the answer."""
        experiment_id = self._study.experiment_id
        if experiment_id is None:
            return analysis
        with self._store.reading() as connection:
            found = read_analysis(connection, experiment_id)
        if found is None:
            document = msgspec.json.encode(analysis)
            with self._store.writing() as connection:
                add_analysis(connection, experiment_id, document, self._now_ms)
                found = read_analysis(connection, experiment_id)
        return decode_analysis(found)

    def with_caps(self, analysis: FixedAnalysis, sufficient: Sufficient) -> FixedAnalysis:
        """Caps become final when the seven days that they are of have matured."""
        new = {
            metric.key: sufficient.caps[metric.key]
            for metric in sufficient.question.metrics
            if metric.winsorisation.quantile is not None
            and metric.key in sufficient.caps
            and metric.key not in analysis.caps
            and _has_first_days(sufficient, metric)
        }
        experiment_id = self._study.experiment_id
        if not new or experiment_id is None:
            return analysis
        if self.keeping is not Keeping.ALL:
            return msgspec.structs.replace(analysis, caps=new | analysis.caps)
        with self._store.writing() as connection:
            found = decode_analysis(read_analysis(connection, experiment_id, to_change=True))
            if found.dropped != self.dropped:
                return msgspec.structs.replace(analysis, caps=new | analysis.caps)
            found = msgspec.structs.replace(found, caps=new | found.caps)
            replace_analysis(connection, experiment_id, msgspec.json.encode(found))
        return found

    def looks(self, kept: Kept | None = None) -> dict[LookName, tuple[Look, ...]]:
        """Those of closes until the moment that is asked about, of metrics as they are now."""
        kept, question = self.kept() if kept is None else kept, self._study.question
        redefined = self.redefined(kept)
        found = {
            name: _plain(_until(each, question))
            for name, each in kept.items()
            if name[0] not in redefined
        }
        return {name: each for name, each in found.items() if each}

    def counted(self, kept: Kept) -> dict[LookName, tuple[Look | DroppedLook, ...]]:
        """As `looks`, with those that were dropped."""
        found: dict[LookName, tuple[Look | DroppedLook, ...]] = {**self.looks(kept)}
        redefined = self.redefined(kept)
        for look in _until(self._forgotten(), self._study.question):
            if look.metric not in redefined:
                name = look.metric, look.variant
                found[name] = (*found.get(name, ()), look)
        return found

    def redefined(self, kept: Kept) -> frozenset[str]:
        """The keys of metrics that measured something else when a look of them was taken."""
        dropped = () if self.keeping is Keeping.NOTHING else self.dropped
        return redefined(definitions_seen(kept, dropped), self._study.question.metrics)

    def _forgotten(self) -> list[DroppedLook]:
        if self.keeping is Keeping.NOTHING:
            return []
        return [look for each in self.dropped for look in each.newest]

    def kept(self) -> Kept:
        """The stored looks that count; read once for a result, and again after `keep`, so that all
        of it is by the same."""
        experiment_id = self._study.experiment_id
        if experiment_id is None or self.keeping is Keeping.NOTHING:
            return {}
        with self._store.reading() as connection:
            return stored_looks(connection, experiment_id)

    def keep(self, new: Mapping[LookName, Iterable[Look]]) -> None:
        """Unless looks were dropped meanwhile: these may be of the data that they were of."""
        experiment_id = self._study.experiment_id
        if experiment_id is None or self.keeping is not Keeping.ALL:
            return
        digests = {metric.key: metric.digest for metric in self._study.question.metrics}
        rows = [
            LookRow(
                experiment_id,
                metric,
                variant,
                each.day.isoformat(),
                msgspec.json.encode(
                    KeptLook(**msgspec.structs.asdict(each), definition=digests[metric])
                ),
            )
            for (metric, variant), taken in new.items()
            for each in taken
        ]
        with self._store.writing() as connection:
            found = decode_analysis(read_analysis(connection, experiment_id, to_change=True))
            if found.dropped == self.dropped:
                add_looks(connection, rows)

    def fixed(self, analysis: FixedAnalysis, sufficient: Sufficient, kept: Kept) -> Fixed:
        redefined = self.redefined(kept)
        settled = [
            metric.key
            for metric in sufficient.question.metrics
            if self._study.experiment_id is not None
            and metric.key not in redefined
            and _is_settled(metric, analysis, sufficient)
        ]
        return Fixed(
            plan=analysis.plan,
            primaries=analysis.primaries,
            comparisons=analysis.comparisons,
            settled=settled,
            looks=self.looks(kept),
            looked_until={name: each[-1].day for name, each in kept.items()},
        )

    def _first(self) -> FixedAnalysis:
        question = self._study.question
        primaries = primaries_of(question.metrics)
        return FixedAnalysis(
            plan=self._study.plan,
            primaries=primaries,
            comparisons=comparisons_of(primaries, question.phases),
        )


def _is_settled(metric: Metric, analysis: FixedAnalysis, sufficient: Sufficient) -> bool:
    """Also a metric whose quantile is 0, which has no cap and needs none."""
    if metric.winsorisation.quantile is None or metric.key in analysis.caps:
        return True
    return metric.key not in sufficient.caps and _has_first_days(sufficient, metric)


def _has_first_days(sufficient: Sufficient, metric: Metric) -> bool:
    question = sufficient.question
    days = sorted({row.day for row in sufficient.rows if row.exposed})
    if not days or question.view is not View.MATURED:
        return False
    last = days[0].fromordinal(days[0].toordinal() + CAP_DAYS - 1)
    return bool(closes_of([last], metric.window_ms, question.as_of_ms, question.time_zone))


def _until(looks: Sequence[AnyLook], question: Question) -> list[AnyLook]:
    closed = closes_of((look.day for look in looks), 0, question.as_of_ms, question.time_zone)
    return [look for look in looks if look.day in closed]


def _plain(looks: Iterable[KeptLook]) -> tuple[Look, ...]:
    names = Look.__struct_fields__
    return tuple(Look(**{name: getattr(each, name) for name in names}) for each in looks)
