"""The looks and the caps of an experiment: those that are stored, and new ones.

First write wins: whoever comes later reads what stands there, and goes by that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import msgspec

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
from fairlot.stats.analysis import Fixed, LookName
from fairlot.stats.closes import closes_of
from fairlot.stats.metrics import CAP_DAYS, Metric
from fairlot.stats.results import Look
from fairlot.stats.sufficient import Question, Sufficient, View
from fairlot.store import Store
from fairlot.store.analyses import LookRow, add_looks, read_analysis, replace_analysis

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


@dataclass(frozen=True, slots=True)
class Record:
    """Of one study. `dropped` is what had been dropped before the events were read."""

    store: Store
    study: Study
    keeping: Keeping
    dropped: tuple[Dropping, ...]

    @property
    def forgotten(self) -> tuple[Dropping, ...]:
        """What was dropped of looks that would count."""
        return () if self.keeping is Keeping.NOTHING else self.dropped

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
        experiment_id = self.study.experiment_id
        if not new or experiment_id is None:
            return analysis
        if self.keeping is not Keeping.ALL:
            return msgspec.structs.replace(analysis, caps=new | analysis.caps)
        with self.store.writing() as connection:
            found = decode_analysis(read_analysis(connection, experiment_id, to_change=True))
            if found.dropped != self.dropped:
                return msgspec.structs.replace(analysis, caps=new | analysis.caps)
            found = msgspec.structs.replace(found, caps=new | found.caps)
            replace_analysis(connection, experiment_id, msgspec.json.encode(found))
        return found

    def looks(self, kept: Kept) -> dict[LookName, tuple[Look, ...]]:
        """Those of closes until the moment that is asked about, of metrics as they are now."""
        return {name: _plain(each) for name, each in self.counting(kept).items()}

    def counting(self, kept: Kept) -> dict[LookName, tuple[KeptLook, ...]]:
        """As `looks`, as they are kept."""
        redefined = self.redefined(kept)
        found = {
            name: tuple(_until(each, self.study.question))
            for name, each in kept.items()
            if name[0] not in redefined
        }
        return {name: each for name, each in found.items() if each}

    def counted(self, kept: Kept) -> dict[LookName, tuple[KeptLook | DroppedLook, ...]]:
        """As `counting`, with those that were dropped."""
        found: dict[LookName, tuple[KeptLook | DroppedLook, ...]] = {**self.counting(kept)}
        redefined = self.redefined(kept)
        forgotten = [look for each in self.forgotten for look in each.newest]
        for look in _until(forgotten, self.study.question):
            if look.metric not in redefined:
                name = look.metric, look.variant
                found[name] = (*found.get(name, ()), look)
        return found

    def redefined(self, kept: Kept) -> frozenset[str]:
        """The keys of metrics that measured something else when a look of them was taken."""
        return redefined(definitions_seen(kept, self.forgotten), self.study.question.metrics)

    def kept(self) -> Kept:
        """The stored looks that count; read once for a result, and again after `keep`, so that all
        of it is by the same."""
        experiment_id = self.study.experiment_id
        if experiment_id is None or self.keeping is Keeping.NOTHING:
            return {}
        with self.store.reading() as connection:
            return stored_looks(connection, experiment_id)

    def keep(self, new: Mapping[LookName, Iterable[Look]], now_ms: int) -> None:
        """As taken now, unless looks were dropped meanwhile: these may be of the data that they
        were of."""
        experiment_id = self.study.experiment_id
        if experiment_id is None or self.keeping is not Keeping.ALL:
            return
        digests = {metric.key: metric.digest for metric in self.study.question.metrics}
        rows = [
            LookRow(
                experiment_id,
                metric,
                variant,
                each.day.isoformat(),
                msgspec.json.encode(
                    KeptLook(
                        **msgspec.structs.asdict(each),
                        definition=digests[metric],
                        taken_at_ms=now_ms,
                    )
                ),
            )
            for (metric, variant), taken in new.items()
            for each in taken
        ]
        with self.store.writing() as connection:
            found = decode_analysis(read_analysis(connection, experiment_id, to_change=True))
            if found.dropped == self.dropped:
                add_looks(connection, rows)

    def fixed(self, analysis: FixedAnalysis, sufficient: Sufficient, kept: Kept) -> Fixed:
        redefined = self.redefined(kept)
        settled = [
            metric.key
            for metric in sufficient.question.metrics
            if self.study.experiment_id is not None
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
