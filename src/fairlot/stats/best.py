"""How probable it is that each arm is the best of all, and what choosing it may cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from fairlot.stats.bayes import Normal, Posterior, Rate, expected_losses, probabilities_best
from fairlot.stats.effects import Effect, NoEffect
from fairlot.stats.methods import Level
from fairlot.stats.metrics import MetricKind
from fairlot.stats.tables import Table, effect_of_pairs

MOST_ARMS: Final = 12
"""Of more the quadrature would take seconds for each metric."""


@dataclass(frozen=True, slots=True)
class Chance:
    """Among all arms; no guarantee under peeking."""

    probability_best: float
    expected_loss: float


def chances_of(
    level: Level, table: Table, control: str, variants: Sequence[str]
) -> Mapping[str, Chance]:
    """By arm. Of nobody where one of the `variants` cannot be compared with the control or was in
    other phases than the others: then nothing compares them all.

    Rates of one phase have uniform priors; all else is near to normal with a flat one, as
    adjusted, about the control's value: the error of that is the mean of what the comparisons have.
    """
    if not 1 <= len(variants) < MOST_ARMS:
        return {}
    pairs = [table.pairs(control, variant) for variant in variants]
    found = [effect_of_pairs(level.metric, each, cuped=level.plan.cuped) for each in pairs]
    effects = [each for each in found if not isinstance(each, NoEffect)]
    if len(effects) < len(variants) or len({each.n_control for each in effects}) != 1:
        return {}
    is_plain = all(effect.variance_reduction is None for effect in effects) and all(
        len(each) == 1 for each in pairs
    )
    is_rate = level.metric.kind is MetricKind.CONVERSION and is_plain
    posteriors = _rates(effects) if is_rate else _normals(effects)
    if posteriors is None:
        return {}
    direction = level.metric.direction
    chances = map(
        Chance, probabilities_best(posteriors, direction), expected_losses(posteriors, direction)
    )
    return dict(zip((control, *variants), chances, strict=True))


def _rates(effects: Sequence[Effect]) -> list[Posterior]:
    return [
        Rate(effects[0].converted_control, effects[0].n_control),
        *(Rate(effect.converted_treatment, effect.n_treatment) for effect in effects),
    ]


def _normals(effects: Sequence[Effect]) -> list[Posterior] | None:
    """Differences from the control. None where an arm does not vary."""
    squares = [effect.squares for effect in effects]
    own = sum(control for control, _ in squares) / len(squares)
    if not own or not all(treatment for _, treatment in squares):
        return None
    others = (
        Normal(effect.difference, sqrt(square))
        for effect, (_, square) in zip(effects, squares, strict=True)
    )
    return [Normal(0.0, sqrt(own)), *others]
