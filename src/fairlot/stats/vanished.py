"""Whether the looks that are stored saw subjects whom nobody counts any more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from fairlot.stats.closes import closes_of
from fairlot.stats.exposed import control_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.sufficient import Sufficient
from fairlot.stats.tables import tables_of

_FEWEST: Final = 10
_SOME: Final = 0.05
_MANY: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Loss:
    """A look that had `then` subjects in both arms, of whom `now` are counted; `whole` is how many
    are counted of all days."""

    metric: str
    variant: str
    day: date
    then: int
    now: int
    whole: int

    @property
    def lost(self) -> int:
        return self.then - self.now

    @property
    def share(self) -> float:
        return self.lost / max(self.whole + self.lost, 1)


class Counted(Protocol):
    """A look, whether it still counts or not."""

    @property
    def day(self) -> date: ...
    @property
    def n(self) -> int: ...


def vanished(
    sufficient: Sufficient, looks: Mapping[tuple[str, str], Sequence[Counted]]
) -> Iterator[Finding]:
    """`looks` are those that were stored, by metric and variant. Of all of them the worst: of a log
    that loses its oldest days, each look lacks those that were deleted since it was taken."""
    found = max(_losses(sufficient, looks), key=lambda each: each.lost, default=None)
    if found is None or found.lost < _FEWEST or found.share <= _SOME:
        return
    yield Finding(
        code=FindingCode.EVENTS_GONE,
        severity=Severity.BLOCKS if found.share > _MANY else Severity.WARNS,
        summary=f"The look of {found.day} had {found.then:,} subjects; of the same day"
        f" {found.now:,} are counted now. {found.share * 100:.0f} % of all who were counted are"
        " gone.",
        advice="Put deleted events back from a backup, and keep them for longer than experiments"
        " take (`retention_days`). Else rely on the looks that are stored, which stay as they are,"
        " and start anew. Fewer count too where logins have joined subjects since, subjects were"
        " deleted, or the window of the metric was made longer.",
        evidence={
            "look": found.day.isoformat(),
            "subjectsThen": found.then,
            "subjectsNow": found.now,
            "share": round(found.share, 4),
        },
        metric=found.metric,
        variant=found.variant,
    )


def _losses(
    sufficient: Sufficient, looks: Mapping[tuple[str, str], Sequence[Counted]]
) -> Iterator[_Loss]:
    question = sufficient.question
    control = control_of(question.phases)
    if control is None or question.segment_by is not None:
        return
    for metric in question.metrics:
        (table,) = tables_of(sufficient, metric)
        closes = closes_of(table.days, metric.window_ms, question.as_of_ms, question.time_zone)
        for (key, variant), taken in looks.items():
            if key != metric.key or not taken:
                continue
            sizes = dict(table.sizes_by_day(control, variant))
            whole = max(sizes.values(), default=0)
            at_closes = {close: sizes[day] for day, close in closes.items()}
            for look in taken:
                now = max((n for close, n in at_closes.items() if close <= look.day), default=0)
                yield _Loss(key, variant, look.day, look.n, now, whole)
