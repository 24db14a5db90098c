from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import tea_tasting as tt

from fairlot.stats.cuped import NoCuped
from fairlot.stats.effects import Effect, effect_of
from support.measured import measured

CHANCE = np.random.default_rng(2013)


def _arm(n: int, effect: float, without_history: float = 0.3) -> list[np.ndarray]:
    missing = (CHANCE.random(n) < without_history).astype(float)
    before = np.where(missing == 1, 0.0, CHANCE.gamma(2, 2, n))
    return [effect + 0.7 * before + CHANCE.normal(0, 1, n), before, missing]


CONTROL, TREATMENT = _arm(300, 0.0), _arm(500, 0.2)


def _effect(control: list[np.ndarray], treatment: list[np.ndarray], responses: int = 1) -> Effect:
    found = effect_of(
        measured(*control, responses=responses),
        measured(*treatment, responses=responses),
        responses=responses,
    )
    assert isinstance(found, Effect)
    return found


def test_cuped__two_covariates__the_coefficient_of_an_analysis_of_covariance() -> None:
    y, before, missing = (np.concatenate(pair) for pair in zip(CONTROL, TREATMENT, strict=True))
    arm = np.repeat([0.0, 1.0], [300, 500])
    theirs = sm.OLS(y, sm.add_constant(np.column_stack([arm, before, missing]))).fit()
    found = _effect(CONTROL, TREATMENT)
    assert found.difference == pytest.approx(theirs.params[1], rel=1e-9)
    residuals = [
        y[arm == side]
        - before[arm == side] * theirs.params[2]
        - missing[arm == side] * theirs.params[3]
        for side in (0, 1)
    ]
    error = sum(rest.var(ddof=1) / len(rest) for rest in residuals) ** 0.5
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    raw = (CONTROL[0].var(ddof=1) / 300 + TREATMENT[0].var(ddof=1) / 500) ** 0.5
    assert found.variance_reduction == pytest.approx(1 - (error / raw) ** 2, rel=1e-9)


def test_cuped__histories_alike_in_both_arms__as_tea_tasting() -> None:
    # tea-tasting's theta is from the total covariance: equal means before make it ours.
    before = CHANCE.gamma(2, 2, 200)
    control = [before + CHANCE.normal(0, 1, 200), before, np.zeros(200)]
    shuffled = CHANCE.permutation(before)
    treatment = [0.1 + shuffled + CHANCE.normal(0, 1, 200), shuffled, np.zeros(200)]
    data = pd.DataFrame(
        {
            "variant": np.repeat([0, 1], 200),
            "y": np.concatenate([control[0], treatment[0]]),
            "x": np.concatenate([control[1], treatment[1]]),
        }
    )
    theirs = tt.Mean("y", covariate="x").analyze(data, 0, 1, "variant")
    found = _effect(control, treatment)
    assert found.difference == pytest.approx(theirs.effect_size, rel=1e-9)
    assert found.difference / found.standard_error == pytest.approx(theirs.statistic, rel=1e-9)
    assert found.value_control == pytest.approx(theirs.control, rel=1e-9)


def test_cuped__a_ratio__its_linear_pairs_regressed() -> None:
    def arm(n: int, lift: float) -> list[np.ndarray]:
        visits = CHANCE.poisson(4, n) + 1.0
        now = visits + CHANCE.poisson(1, n)
        return [
            now * (1 + lift) + CHANCE.normal(0, 1, n),
            now,
            visits + CHANCE.normal(0, 1, n),
            visits,
            np.zeros(n),
        ]

    control, treatment = arm(400, 0.0), arm(300, 0.1)
    z, rows = [], []
    for side, (y, d, y_before, d_before, _) in enumerate((control, treatment)):
        ratio = y.mean() / d.mean()
        z.append(ratio + (y - ratio * d) / d.mean())
        rows.append(np.column_stack([np.ones(len(y)), np.full(len(y), side), y_before, d_before]))
    theirs = sm.OLS(np.concatenate(z), np.concatenate(rows)).fit()
    assert _effect(control, treatment, 2).difference == pytest.approx(theirs.params[1], rel=1e-9)


def test_cuped__a_covariate_that_another_says__left_out() -> None:
    everyone = [[*arm[:2], np.zeros(len(arm[0]))] for arm in (CONTROL, TREATMENT)]
    found = _effect(everyone[0], everyone[1])
    again = _effect([*CONTROL[:2], 1 - CONTROL[1]], [*TREATMENT[:2], 1 - TREATMENT[1]])
    assert found.variance_reduction is not None
    assert found.variance_reduction > 0.5
    assert again.difference == pytest.approx(found.difference, rel=1e-9)


@pytest.mark.parametrize(
    ("arms", "reason"),
    [
        ([_arm(200, 0, 0.95), _arm(200, 0, 0.95)], NoCuped.LITTLE_HISTORY),
        ([_arm(10, 0), _arm(10, 0)], NoCuped.TOO_FEW_SUBJECTS),
        ([arm[:1] for arm in (CONTROL, TREATMENT)], NoCuped.NO_COVARIATES),
        (
            [[arm[0], np.ones(len(arm[0])), np.zeros(len(arm[0]))] for arm in (CONTROL, TREATMENT)],
            NoCuped.SINGULAR,
        ),
        ([[arm[1], arm[1], arm[2]] for arm in (CONTROL, TREATMENT)], NoCuped.SINGULAR),
    ],
)
def test_cuped__nothing_to_adjust_by__unadjusted_with_the_reason(
    arms: list[list[np.ndarray]], reason: NoCuped
) -> None:
    unadjusted = effect_of(*(measured(*arm) for arm in arms), cuped=False)
    assert isinstance(unadjusted, Effect)
    assert unadjusted.no_cuped is NoCuped.SWITCHED_OFF
    assert _effect(arms[0], arms[1]) == replace(unadjusted, no_cuped=reason)


def test_cuped__values_of_the_arms__apart_by_the_difference() -> None:
    found = _effect(CONTROL, TREATMENT)
    assert found.value_treatment - found.value_control == pytest.approx(found.difference, rel=1e-9)
    # Both rest on the common mean of the covariates, whose error the difference does not have.
    assert found.se_control**2 + found.se_treatment**2 > found.standard_error**2
