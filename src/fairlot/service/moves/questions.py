"""What is asked of the event log about one experiment, and the numbers that come back."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from fairlot.engine import Unit
from fairlot.manifest.contents import same_content
from fairlot.service.moves.deals import PAGE_PARTS, PERSON_PARTS, Deal, Side
from fairlot.service.moves.shares import Pair
from fairlot.service.plan_document import Basis


class Matching(StrEnum):
    """Of which known units the log shows that a part of an audience matches them."""

    EVERYONE = "everyone"
    EXPOSED = "exposed"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Half:
    """One side of a question. A deal that is None, or is not open, answers none to everyone,
    whatever the audience."""

    deal: Deal | None
    page: Matching
    person: Matching

    @property
    def asks_nobody(self) -> bool:
        return self.deal is None or not self.deal.is_open

    @property
    def concerns_everyone(self) -> bool:
        return self.asks_nobody or {self.page, self.person} == {Matching.EVERYONE}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one experiment. `variants` are those of both sides."""

    experiment_key: str
    experiment_id: str
    unit: Unit
    before: Half
    after: Half
    variants: tuple[str, ...]

    @property
    def concerns_everyone(self) -> bool:
        """Whether units that were never exposed can be told about too."""
        return self.before.concerns_everyone and self.after.concerns_everyone

    @property
    def basis(self) -> Basis:
        return Basis.KNOWN if self.concerns_everyone else Basis.SEEN

    @property
    def basis_after_memory(self) -> Basis:
        halves = (half for half in (self.before, self.after) if not half.asks_nobody)
        needs_memory = any(half.person is Matching.NOBODY for half in halves)
        return Basis.REMEMBERED if needs_memory else self.basis


@dataclass(slots=True)
class Tally:
    """Numbers of units per (from, to) pair, those that keep their answer included: by the draw
    alone, and after sticky assignment. `stored` and `shown` have such a memory, and `by_adapter`
    were left out."""

    by_draw: Counter[Pair] = field(default_factory=Counter)
    after_sticky: Counter[Pair] = field(default_factory=Counter)
    stored: int = 0
    shown: int = 0
    by_adapter: int = 0

    def add(self, other: "Tally") -> None:
        self.by_draw.update(other.by_draw)
        self.after_sticky.update(other.after_sticky)
        self.stored += other.stored
        self.shown += other.shown
        self.by_adapter += other.by_adapter


def question_about(before: Side | None, after: Side | None) -> Question | None:
    """None where there is nothing to ask: no side answers, they hash different ids, or events
    activate it, and when they did is not in the log."""
    sides = [side for side in (before, after) if side is not None]
    units = {side.deal.unit for side in sides}
    if any(side.experiment.activation is not None for side in sides):
        return None
    if len(units) != 1 or not any(side.deal.is_open for side in sides):
        return None
    experiment = sides[-1].experiment
    return Question(
        experiment_key=experiment.key,
        experiment_id=experiment.id,
        unit=experiment.unit,
        before=_half(before, before),
        after=_half(after, before),
        variants=tuple(dict.fromkeys(arm.variant for side in sides for arm in side.deal.arms)),
    )


def _half(side: Side | None, seen_by: Side | None) -> Half:
    """`seen_by` is the side whose audience the exposed have matched."""
    if side is None:
        return Half(None, Matching.EVERYONE, Matching.EVERYONE)
    return Half(
        side.deal,
        _matching(side, seen_by, PAGE_PARTS),
        _matching(side, seen_by, PERSON_PARTS),
    )


def _matching(side: Side, seen_by: Side | None, parts: tuple[str, ...]) -> Matching:
    if not side.restricts(parts):
        return Matching.EVERYONE
    is_same = seen_by is not None and same_content(
        side.of_audience(parts), seen_by.of_audience(parts)
    )
    return Matching.EXPOSED if is_same else Matching.NOBODY


class Counts(NamedTuple):
    """How many units are known, and the tallies by experiment key."""

    subjects: int
    accounts: int
    tallies: dict[str, Tally]
