"""Whole experiments with made-up subjects, look by look."""

from dataclasses import dataclass, replace
from itertools import accumulate, repeat

import numpy as np

from fairlot.stats.metrics import CAP_DAYS, DEFAULT_CAP_QUANTILE
from fairlot.stats.populations import Population, with_lift
from fairlot.stats.simulation import Rules, Watched, cap_of, capped, watch


@dataclass(frozen=True, slots=True)
class Scenario:
    """`per_look` new subjects come before each of the looks, in both arms together. `lift` is
    planted in the treatment; 0 is an A/A test."""

    population: Population
    per_look: int
    rules: Rules
    looks: int = 28
    lift: float = 0.0


def simulate(scenario: Scenario, seed: int, run: int) -> Watched:
    """One experiment; the same for the same scenario, seed and run."""
    generator = np.random.default_rng((seed, run))
    population, rules = scenario.population, scenario.rules
    ends = tuple(accumulate(repeat(scenario.per_look, scenario.looks)))
    columns = (
        list(population.with_history(generator, ends[-1]))
        if rules.cuped
        else [population.responses(generator, ends[-1])]
    )
    treated = generator.random(ends[-1]) < rules.treated_share
    planted = with_lift(columns[0], scenario.lift, population.is_conversion, generator)
    columns[0] = np.where(treated, planted, columns[0])
    quantile = DEFAULT_CAP_QUANTILE if population.is_winsorised else None
    cap = cap_of(columns[0][: ends[min(CAP_DAYS, scenario.looks) - 1]], quantile)
    own_rules = replace(rules, is_conversion=population.is_conversion)
    truth = population.effect_of_lift(scenario.lift, cap)
    return watch(capped(columns, cap, 1), ends, treated, own_rules, truth)
