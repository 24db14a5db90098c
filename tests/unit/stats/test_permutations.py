"""Drawn labels on recorded subjects."""

import numpy as np
import pytest

from fairlot.stats.permutations import Recorded, permute, recorded
from fairlot.stats.simulation import Rules, summary_of


def subjects(columns: int = 1) -> Recorded:
    draw = np.random.default_rng(8)
    values = draw.normal(10.0, 2.0, (600, columns))
    return recorded(draw.integers(20_000, 20_006, 600), values)


def test_recorded__subjects_in_any_order__come_by_day() -> None:
    found = recorded(np.array([7, 5, 7, 9]), np.array([[1.0], [2.0], [3.0], [4.0]]))
    assert list(found.columns[0]) == [2.0, 1.0, 3.0, 4.0]
    assert found.ends == (1, 3, 4)


def test_permute__labels_that_mean_nothing__rarely_err_and_are_reproducible() -> None:
    runs = [permute(subjects(), Rules(), 0.0, 1, run) for run in range(60)]
    assert summary_of(runs).excluded_zero.value <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5
    assert runs[0] == permute(subjects(), Rules(), 0.0, 1, 0)
    assert runs[0].fixed_p != runs[1].fixed_p


@pytest.mark.parametrize(("responses", "columns"), [(1, 1), (2, 2)])
def test_permute__a_large_lift__is_found_and_covered(responses: int, columns: int) -> None:
    rules = Rules(responses=responses, planned_size=600)
    runs = [permute(subjects(columns), rules, 2.0, 1, run) for run in range(20)]
    found = summary_of(runs)
    assert found.excluded_zero.count == 20
    assert found.excluded_truth.count <= 3
