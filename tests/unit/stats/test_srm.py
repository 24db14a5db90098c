"""The sample ratio: published cases, other libraries, and what cannot be computed."""

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare, dirichlet_multinomial, multinomial

from fairlot.stats.srm import SampleRatio, combined, homogeneity, srm


@pytest.mark.parametrize(
    ("counts", "chi_square_p", "tolerance"),
    [
        ((44_700, 45_489), 0.00860799, 5e-9),  # Cookie Cats
        ((821_588, 815_482), 1.82179e-06, 5e-12),  # Fabijan et al. 2019
        ((600, 400), 2.54e-10, 5e-13),
        ((502, 498), 0.899343, 5e-7),
    ],
)
def test_chi_square__published_counts__published_p(
    counts: tuple[int, int], chi_square_p: float, tolerance: float
) -> None:
    assert srm(counts, (50, 50)).chi_square_p == pytest.approx(chi_square_p, abs=tolerance)


def test_chi_square__three_uneven_arms__is_that_of_scipy() -> None:
    found = srm((812, 390, 398), (2, 1, 1))
    known = chisquare((812, 390, 398), (800, 400, 400))
    assert found.chi_square == pytest.approx(known.statistic, rel=1e-12)
    assert found.chi_square_p == pytest.approx(known.pvalue, rel=1e-9)


def test_p__counts_of_three_arms__is_the_ratio_of_likelihoods_of_scipy() -> None:
    counts, shares = (900, 350, 350), (0.5, 0.25, 0.25)
    other = dirichlet_multinomial.logpmf(counts, [100 * share for share in shares], np.array(1600))
    planned = multinomial.logpmf(counts, 1600, shares)
    found = srm(counts, shares)
    assert found.log_bayes_factor == pytest.approx(float(other - planned), rel=1e-9)
    assert found.p == pytest.approx(math.exp(planned - other), rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "blocks", "warns"),
    [
        ((44_700, 45_489), False, True),  # by its chi-square, 4-results section 5
        ((600, 400), True, True),
        ((502, 498), False, False),
    ],
)
def test_sample_ratio__published_counts__warns_or_blocks(
    counts: tuple[int, int], blocks: bool, warns: bool
) -> None:
    found = srm(counts, (1, 1))
    assert (found.blocks, found.warns) == (blocks, warns)


def test_srm__no_subjects_or_one_arm__says_nothing() -> None:
    assert srm((0, 0), (1, 1)).p == srm((0, 0), (1, 1)).chi_square_p == 1.0
    assert srm((90,), (1,)).p == srm((90, 0), (1, 0)).chi_square_p == 1.0


def test_srm__subjects_in_an_arm_without_a_share__is_impossible() -> None:
    found = srm((900, 1), (1, 0))
    assert found.p == found.chi_square_p == 0.0
    assert found.blocks


def test_srm__a_billion_subjects__stays_finite() -> None:
    assert 0 < srm((500_090_000, 499_910_000), (1, 1)).p < 1
    assert srm((510_000_000, 490_000_000), (1, 1)).p == 0.0


def test_combined__two_phases__multiplies_what_speaks_against_the_shares() -> None:
    first, second = srm((560, 440), (1, 1)), srm((240, 1000), (1, 4))
    both = combined((first, second))
    assert both.log_bayes_factor == first.log_bayes_factor + second.log_bayes_factor
    assert (both.chi_square, both.degrees_of_freedom) == (
        first.chi_square + second.chi_square,
        2,
    )
    assert combined(()) == SampleRatio(0.0, 0.0, 0)
    assert combined(()).p == combined(()).chi_square_p == 1.0


def test_homogeneity__two_and_three_arms__is_that_of_scipy() -> None:
    kept, left_out = (4_900, 5_020, 5_111), (100, 61, 75)
    known = chi2_contingency([kept, left_out], correction=False)
    chi_square, p = homogeneity(kept, left_out)
    assert chi_square == pytest.approx(known.statistic, rel=1e-12)
    assert p == pytest.approx(known.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("kept", "left_out"),
    [((), ()), ((10, 20), (0, 0)), ((0, 0), (10, 20)), ((10, 0), (5, 0))],
)
def test_homogeneity__nothing_to_compare__says_nothing(
    kept: tuple[int, ...], left_out: tuple[int, ...]
) -> None:
    assert homogeneity(kept, left_out) == (0.0, 1.0)
