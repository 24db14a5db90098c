"""The same plan by every method: how many subjects, or what so many find."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from fairlot.stats.planning import (
    Design,
    NoPlan,
    Size,
    effect_on_mean,
    effect_on_rate,
    size_for_mean,
    size_for_rate,
)
from fairlot.stats.results import Method


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """By one method. `inflation`: how many times the subjects of a plan with one look.
    `planned_size`: N* of the comparison. Without sizes `no_plan_because` says why."""

    method: str
    effect: float | None = None
    control: int | None = None
    treatment: int | None = None
    total: int | None = None
    planned_size: int | None = None
    inflation: float
    no_plan_because: str | None = None


CALCULATOR: Final = "calculator"
_METHODS: Final = (Method.FIXED, Method.SEQUENTIAL, Method.GROUP_SEQUENTIAL)


def planned_sizes(
    rate: float | None, deviation: float | None, effect: float, **design: Any
) -> tuple[Planned, ...]:
    """Of a rate, or else of a mean with that deviation; `design` are fields of `Design`."""
    found = []
    for name, each in _designs(rate is not None, design).items():
        if rate is not None:
            size = size_for_rate(rate, effect, each)
        else:
            size = size_for_mean(deviation or 0.0, effect, each)
        found.append(_planned(name, each, size, effect))
    return tuple(found)


def planned_effects(
    rate: float | None, deviation: float | None, subjects: int, **design: Any
) -> tuple[Planned, ...]:
    """What so many subjects, in all arms together, can find."""
    found = []
    for name, each in _designs(False, design).items():
        if rate is not None:
            effect = effect_on_rate(rate, subjects, each)
        else:
            effect = effect_on_mean(deviation or 0.0, subjects, each)
        control, treatment = (int(subjects * share) for share in each.shares)
        if isinstance(effect, NoPlan):
            found.append(_planned(name, each, effect, None))
        else:
            found.append(_planned(name, each, Size(control, treatment, subjects), effect))
    return tuple(found)


def _designs(has_calculator: bool, given: Mapping[str, Any]) -> dict[str, Design]:
    plain = Design(**given)
    designs = {method.value: replace(plain, method=method) for method in _METHODS}
    if has_calculator:
        designs[CALCULATOR] = replace(plain, is_pooled=True)
    return designs


def _planned(name: str, design: Design, size: Size | NoPlan, effect: float | None) -> Planned:
    if isinstance(size, NoPlan):
        return Planned(method=name, inflation=design.inflation, no_plan_because=size.value)
    return Planned(
        method=name,
        effect=effect,
        control=size.control,
        treatment=size.treatment,
        total=size.total,
        planned_size=size.planned_size,
        inflation=design.inflation,
    )
