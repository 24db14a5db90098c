from fractions import Fraction
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlot.stats.moments import Moments, merged
from support.measured import moments

CHANCE = np.random.default_rng(20_080_601)
Y = CHANCE.lognormal(0, 1, 400)
D = Y + CHANCE.poisson(3, 400)
X = CHANCE.gamma(2, 2, 400)


def test_moments__small_whole_numbers__as_by_hand() -> None:
    # y 1 2 6, d 1 3 5: means 3, 3; deviations -2 -1 3 and -2 0 2.
    found = moments([1, 2, 6], [1, 3, 5], responses=2)
    assert found == Moments(
        3,
        (3.0, 3.0),
        (14.0, 10.0, 8.0),
        (-8.0 - 1 + 27, -8.0 + 0 + 18, -8.0 + 0 + 12, -8.0 + 0 + 8),
    )
    assert found.product(1, 0) == found.product(0, 1) == 10.0


@settings(max_examples=40)
@given(st.lists(st.integers(0, 400), max_size=6), st.randoms(use_true_random=False))
def test_merged__parts_in_any_order__those_of_all(cuts: list[int], chance: Random) -> None:
    edges = [0, *sorted(cuts), 400]
    parts = [moments(Y[a:b], D[a:b], X[a:b], responses=2) for a, b in pairwise(edges)]
    chance.shuffle(parts)
    whole, found = moments(Y, D, X, responses=2), merged(parts)
    assert found.n == whole.n
    for mine, theirs in (
        (found.means, whole.means),
        (found.products, whole.products),
        (found.cubes, whole.cubes),
    ):
        assert mine == pytest.approx(theirs, rel=1e-11)


def test_merged__values_of_1e12__nothing_cancels() -> None:
    values = [10**12 + offset for offset in (1, 4, 2, 9, 3, 7)]
    parts = [moments(values[:2]), moments(values[2:3]), moments(values[3:])]
    mean = Fraction(sum(values), 6)
    found = merged(parts)
    assert found.products[0] == pytest.approx(float(sum((v - mean) ** 2 for v in values)), rel=1e-7)
    # A float near 1e12 is exact to 1e-4, and so is a mean: third powers see that.
    assert found.cubes[0] == pytest.approx(float(sum((v - mean) ** 3 for v in values)), rel=1e-4)


def test_merged__nobody__nothing() -> None:
    nobody = moments([], [], responses=2)
    assert nobody == Moments(0, (0.0, 0.0), (0.0,) * 3, (0.0,) * 4)
    assert merged([]).n == 0
    assert merged([nobody]) == nobody
    one = moments([2.0], [3.0], responses=2)
    assert merged([nobody, one, nobody]) == one


def test_merged__other_columns__refused() -> None:
    with pytest.raises(ValueError, match="moments of 1 and of 2 columns are not of one metric"):
        merged([moments([1, 2]), moments([1, 2], [3, 4])])
