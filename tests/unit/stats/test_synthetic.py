"""Made-up experiments: the same for the same seed."""

from fairlot.stats.populations import POPULATIONS
from fairlot.stats.simulation import Rules
from fairlot.stats.synthetic import Scenario, simulate


def test_simulate__same_seed_and_run__is_the_same_experiment() -> None:
    scenario = Scenario(POPULATIONS["lognormal"], 50, Rules(cuped=True), looks=3)
    first = simulate(scenario, 1, 0)
    assert first == simulate(scenario, 1, 0)
    assert first.fixed_p != simulate(scenario, 1, 1).fixed_p
    assert first.fixed_p != simulate(scenario, 2, 0).fixed_p


def test_simulate__large_lift__is_seen() -> None:
    scenario = Scenario(POPULATIONS["binary"], 2_000, Rules(), looks=3, lift=4.0)
    assert simulate(scenario, 1, 0).excluded_zero
