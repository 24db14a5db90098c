"""What the checks look at: the question, its answer, and what is known beside."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from fairlot.stats.sufficient import Exclusion, Phase, Question, Sufficient
from fairlot.warehouse.lake.gone import GoneExposures
from fairlot.warehouse.queries import Engine, answer
from fairlot.warehouse.senders import SenderFigures


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is not in the events: the batches of senders, and how many units each variant was
    `assigned` to, None where nobody can tell; and which of its exposures are `gone`."""

    senders: tuple[SenderFigures, ...] = ()
    assigned: Mapping[str, int] | None = None
    gone: tuple[GoneExposures, ...] = ()


NOTHING_KNOWN: Final = Circumstances()
Arms = Mapping[str, int]


@dataclass(frozen=True)
class Case:
    engine: Engine
    question: Question
    sufficient: Sufficient
    circumstances: Circumstances = field(default=NOTHING_KNOWN)

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self.question.phases

    @cached_property
    def exposed(self) -> Mapping[int, Arms]:
        """Subjects that are analysed, by phase and variant."""
        return exposed_in(self.sufficient)

    @cached_property
    def analysed(self) -> int:
        return sum(sum(arms.values()) for arms in self.exposed.values())

    @cached_property
    def excluded(self) -> Mapping[tuple[Exclusion, int], Arms]:
        """Subjects that are not, by reason and phase, then by variant."""
        found: dict[tuple[Exclusion, int], Counter[str]] = {}
        for each in self.sufficient.excluded:
            arms = found.setdefault((each.exclusion, each.phase), Counter())
            arms[each.variant_key] += each.subjects
        return found

    def excluded_for(self, exclusion: Exclusion) -> Counter[str]:
        """By variant, in all phases."""
        total: Counter[str] = Counter()
        for (reason, _), arms in self.excluded.items():
            if reason is exclusion:
                total.update(arms)
        return total

    def split_by(self, segment_by: str) -> Sufficient:
        """Who was exposed, by a column of the first exposure, without any metric."""
        return answer(self.engine, replace(self.question, metrics=(), segment_by=segment_by))


def exposed_in(sufficient: Sufficient) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {each.number: Counter() for each in sufficient.question.phases}
    for row in sufficient.rows:
        found[row.phase][row.variant_key] += row.exposed
    return found


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole if whole else 0:.2f} %"
