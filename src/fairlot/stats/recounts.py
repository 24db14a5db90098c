"""Whether the events that a stored look saw are still there.

Later events take subjects away too: logins join two to one, and another variant leaves a subject
out. So those events are counted again that had been received when the look was taken. Where they
give fewer subjects than it had, some of them are gone.
"""

from collections.abc import Callable
from datetime import date
from typing import Final, Protocol

from fairlot.stats.closes import closes_of
from fairlot.stats.exposed import control_of
from fairlot.stats.metrics import Metric
from fairlot.stats.sufficient import Sufficient

MOST_RECOUNTED: Final = 5
"""Each asks the events again, and of what is gone most looks lack the same."""


class Counted(Protocol):
    """A stored look, whether it still counts or not: `taken_at_ms` is None where that was not
    kept."""

    @property
    def day(self) -> date: ...
    @property
    def n(self) -> int: ...
    @property
    def taken_at_ms(self) -> int | None: ...


Recount = Callable[[str, str, Counted], int | None]
"""By metric and variant: how many subjects the events of a look give that are still there. None
where nobody can tell."""


def subjects_until(sufficient: Sufficient, metric: Metric, variant: str, day: date) -> int:
    """Of the variant and the control: those whose exposure days are closed with `day`."""
    question = sufficient.question
    arms = {control_of(question.phases), variant}
    shared = [
        phase.number
        for phase in question.phases
        if arms <= {arm.variant_key for arm in phase.arms if arm.share > 0}
    ]
    days = {row.day for row in sufficient.rows}
    closes = closes_of(days, metric.window_ms, question.as_of_ms, question.time_zone)
    return sum(
        row.exposed
        for row in sufficient.rows
        if row.phase in shared
        and row.variant_key in arms
        and row.day in closes
        and closes[row.day] <= day
    )
