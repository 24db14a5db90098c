"""Whether the looks that are stored saw subjects whom nobody counts any more."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import attrgetter
from typing import Final

from fairlot.stats.closes import closes_of
from fairlot.stats.exposed import control_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.recounts import MOST_RECOUNTED, Counted, Recount
from fairlot.stats.sufficient import Sufficient
from fairlot.stats.tables import tables_of

_FEWEST: Final = 10
_SOME: Final = 0.05
_MANY: Final = 0.2
_ADVICE: Final = (
    "Put deleted events back from a backup, and keep them for longer than experiments take"
    " (`retention_days`). Else rely on the looks that are stored, which stay as they are, and start"
    " anew. Fewer count too where subjects were deleted."
)
_lost: Final = attrgetter("lost")
_OR_JOINED: Final = (
    " This look does not say when it was taken: fewer count too where logins have joined subjects"
    " since."
)


@dataclass(frozen=True, slots=True)
class _Loss:
    """A `look` that had subjects in both arms of whom `now` are counted; `whole` is how many are
    counted of all days."""

    metric: str
    variant: str
    look: Counted
    now: int
    whole: int

    @property
    def lost(self) -> int:
        return self.look.n - self.now

    @property
    def share(self) -> float:
        return self.lost / max(self.whole + self.lost, 1)

    @property
    def is_worth_telling(self) -> bool:
        return self.lost >= _FEWEST and self.share > _SOME


def vanished(
    sufficient: Sufficient, looks: Mapping[tuple[str, str], Sequence[Counted]], recount: Recount
) -> Iterator[Finding]:
    """`looks` are those that were stored, by metric and variant. Of all of them the worst: of a log
    that loses its oldest days, each look lacks those that were deleted since it was taken."""
    found = [each for each in _losses(sufficient, looks) if each.is_worth_telling]
    for of_moment in islice(_worst_by_moment(found), MOST_RECOUNTED):
        recounted = [_recounted(each, recount) for each in of_moment]
        told = [each for each in recounted if each.is_worth_telling]
        if told:
            yield _finding(max(told, key=_lost))
            return


def _worst_by_moment(found: Sequence[_Loss]) -> Iterable[Sequence[_Loss]]:
    """Of each moment at which looks were taken the worst of each comparison; the worst first."""
    worst: dict[int | None, dict[tuple[str, str], _Loss]] = {}
    for each in sorted(found, key=_lost, reverse=True):
        of_moment = worst.setdefault(each.look.taken_at_ms, {})
        of_moment.setdefault((each.metric, each.variant), each)
    return [tuple(each.values()) for each in worst.values()]


def _recounted(each: _Loss, recount: Recount) -> _Loss:
    there = recount(each.metric, each.variant, each.look)
    if there is None:
        return each
    return replace(each, now=max(each.now, there), whole=max(each.whole, there))


def _finding(found: _Loss) -> Finding:
    look = found.look
    return Finding(
        code=FindingCode.EVENTS_GONE,
        severity=Severity.BLOCKS if found.share > _MANY else Severity.WARNS,
        summary=f"The look of {look.day} had {look.n:,} subjects, of whom {found.now:,} are left."
        f" {found.share * 100:.0f} % of all who were counted are gone.",
        advice=_ADVICE if look.taken_at_ms is not None else f"{_ADVICE}{_OR_JOINED}",
        evidence={
            "look": look.day.isoformat(),
            "subjectsThen": look.n,
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
                yield _Loss(key, variant, look, now, whole)
