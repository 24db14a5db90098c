"""The share of the largest, against the largest itself."""

import numpy as np
import pytest

from fairlot.stats.domination import share_of_the_largest
from fairlot.stats.moments import NOTHING, merged
from support.measured import moments


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_share__of_heavy_tails__is_never_above_that_of_the_largest(sigma: float, seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(0.0, sigma, 500)
    truth = values.max() / values.sum()
    found = share_of_the_largest(moments(values))
    assert found is not None
    assert 1 / len(values) <= found <= truth * (1 + 1e-12)


def test_share__of_one_far_above_the_others__is_its_own() -> None:
    """300 orders of 20 beside one of 6,000: half of all."""
    values = [0.0] * 700 + [20.0] * 300 + [6_000.0]
    assert share_of_the_largest(moments(values)) == pytest.approx(0.5, rel=0.005)


def test_share__of_merged_days__is_that_of_all_subjects() -> None:
    days = [[1.0, 2.0, 3.0], [90.0, 4.0], [0.0]]
    together = share_of_the_largest(moments([each for day in days for each in day]))
    assert share_of_the_largest(merged(map(moments, days))) == pytest.approx(together)


def test_share__with_returns__stays_below_the_largest() -> None:
    values = [100.0, -30.0, -20.0, 5.0]
    found = share_of_the_largest(moments(values))
    assert found is not None
    assert 0 < found <= 100 / 55


@pytest.mark.parametrize("values", [[0.0, 0.0], [-3.0, 1.0]])
def test_share__of_no_positive_sum__is_none(values: list[float]) -> None:
    assert share_of_the_largest(moments(values)) is None
    assert share_of_the_largest(NOTHING) is None
