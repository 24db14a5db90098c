"""What the demo's visitors were answered, beside what the weights promise."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from fairlot.cli.visitors import Answer
from fairlot.engine import Experiment, Status
from fairlot.engine.model import FULL_RATE_BP

# A right build passes a check at this width all but 7 times in a million.
LIMIT_SIGMA = 4.5


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `total` where `expected` of them was due, as a share between 0 and 1."""

    name: str
    count: int
    total: int
    expected: float

    @property
    def observed(self) -> float:
        return self.count / self.total if self.total else 0.0

    @property
    def sigmas(self) -> float:
        """How far the count is from its mean, in standard deviations of the binomial."""
        distance = self.count - self.total * self.expected
        deviation = sqrt(self.total * self.expected * (1 - self.expected))
        if deviation:
            return distance / deviation
        return 0.0 if distance == 0 else float("inf")

    @property
    def is_inside(self) -> bool:
        return abs(self.sigmas) <= LIMIT_SIGMA


@dataclass(frozen=True, slots=True)
class Split:
    """One experiment: who asked, who was eligible, who got in, and which variants they got."""

    key: str
    status: Status
    asked: int
    eligible: int
    strayed: int
    entered: Share
    variants: tuple[Share, ...]

    @property
    def is_inside(self) -> bool:
        return not self.strayed and all(each.is_inside for each in (self.entered, *self.variants))


def split_of(experiment: Experiment, answers: Iterable[Answer]) -> Split:
    """`strayed` counts those who got a variant though the audience should have kept them out."""
    own = [answer for answer in answers if answer.question.experiment_key == experiment.key]
    eligible = [answer for answer in own if answer.question.eligible]
    counts = Counter(answer.variant_key for answer in eligible if answer.variant_key is not None)
    entered = counts.total()
    rate = experiment.audience.sample_rate_bp / FULL_RATE_BP
    if experiment.status is not Status.RUNNING:
        rate = 0.0
    even = 1 / len(experiment.variants)
    return Split(
        key=experiment.key,
        status=experiment.status,
        asked=len(own),
        eligible=len(eligible),
        strayed=sum(
            answer.variant_key is not None for answer in own if not answer.question.eligible
        ),
        entered=Share("entered", entered, len(eligible), rate),
        variants=tuple(
            Share(
                variant.key,
                counts[variant.key],
                entered,
                even if variant.weight is None else variant.weight / FULL_RATE_BP,
            )
            for variant in experiment.variants
        ),
    )
