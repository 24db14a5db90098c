"""A result carries the statistics that it used: its intervals can be made again from it."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.metrics import Metric, MetricKind
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.ratios import response_of
from fairlot.stats.sequences import SUBJECTS_A_SQUARED_SKEWNESS
from fairlot.stats.sufficient import Arm, Grid, MetricDay, Sufficient
from support.measured import measured
from support.recomputing import assert_recomputable
from support.sufficient import (
    BOUGHT,
    HALVES,
    arm_day,
    conversions,
    fixed,
    phase,
    question,
    sufficient,
)

SUM = replace(BOUGHT, kind=MetricKind.SUM)
RATIO = replace(BOUGHT, kind=MetricKind.RATIO)
MEDIAN = replace(BOUGHT, kind=MetricKind.QUANTILE, quantile=0.5)


def as_json(found: Sufficient) -> Any:
    """As the API answers it, of what the recomputation reads."""
    plan = AnalysisPlan(planned_size=7_000)
    analysis = analyse(found, fixed(found.question, plan))
    arms = found.question.phases[-1].arms
    told = {
        "plannedSize": plan.planned_size,
        "arms": [{"variant": arm.variant_key, "isControl": arm.is_control} for arm in arms],
        "metrics": analysis.metrics,
    }
    return msgspec.json.decode(msgspec.json.encode(told))


def of_two(metric: Metric, control: MetricDay, b: MetricDay) -> Sufficient:
    rows = [arm_day("control", 0, {"bought": control}), arm_day("b", 0, {"bought": b})]
    return sufficient(rows, question(metric))


def spent(seed: int, n: int, responses: int = 1, *, history: bool = True) -> MetricDay:
    """Lognormal amounts; with history half of the logarithm was there before."""
    generator = np.random.default_rng(seed)
    level = generator.normal(size=n)
    now, before = (np.exp(level + generator.normal(size=n)) for _ in range(2))
    times, earlier = (1.0 + generator.poisson(2, n) for _ in range(2))
    unknown = (generator.random(n) < 0.2).astype(float)
    own = [now, times][:responses]
    covariates = [before * (1 - unknown), earlier * (1 - unknown)][:responses]
    return measured(*own, *([*covariates, unknown] if history else []), responses=responses)


@pytest.mark.parametrize(
    ("metric", "history"), [(SUM, False), (SUM, True), (RATIO, False), (RATIO, True)]
)
def test_interval__of_values__is_made_again_from_the_json(metric: Metric, history: bool) -> None:
    responses = metric.responses
    control = spent(1, 3_000, responses, history=history)
    b = spent(2, 2_000, responses, history=history)
    result = as_json(of_two(metric, control, b))
    (comparison,) = result["metrics"][0]["comparisons"]
    assert (comparison["varianceReduction"] is not None) is history
    assert_recomputable(result, result["metrics"][0], comparison)
    skewness = [comparison[side]["skewness"] for side in ("control", "treatment")]
    assert skewness == pytest.approx([arm["skewness"] for arm in result["metrics"][0]["arms"]])
    too_few = comparison["control"]["n"] < SUBJECTS_A_SQUARED_SKEWNESS * skewness[0] ** 2
    assert comparison["isGated"] is too_few


def test_arms__of_a_ratio__vary_as_its_linear_form_does() -> None:
    day = spent(1, 3_000, 2, history=False)
    result = as_json(of_two(RATIO, day, spent(2, 2_000, 2, history=False)))
    response = response_of(day.moments, 2)
    assert response is not None
    assert result["metrics"][0]["arms"][0]["variance"] == pytest.approx(response.variance)
    assert result["metrics"][0]["arms"][0]["skewness"] == pytest.approx(response.skewness)


def test_theta__by_cuped__is_by_the_covariates_names() -> None:
    """With b as the control is, theta is that of ordinary least squares on either."""
    generator = np.random.default_rng(5)
    before, unknown = generator.normal(3, 1, 500), (np.arange(500) % 5 == 0).astype(float)
    now = 2 * before + 0.5 * unknown + generator.normal(size=500)
    day = measured(now, before, unknown)
    result = as_json(of_two(SUM, day, day))
    design = np.column_stack([np.ones(500), before, unknown])
    slopes = np.linalg.lstsq(design, now, rcond=None)[0][1:]
    (theta,) = result["metrics"][0]["comparisons"][0]["theta"]
    assert theta == pytest.approx({"before": slopes[0], "noHistory": slopes[1]})


def test_interval__of_conversions_over_phases__is_made_again_from_the_json() -> None:
    phases = (phase(), phase(*HALVES, Arm("c", False, 0.5), number=2))
    rows = [
        *conversions("control", (3_000, 300)),
        *conversions("b", (2_000, 240)),
        *conversions("control", (1_000, 300), phase=2),
        *conversions("b", (1_500, 450), phase=2),
        *conversions("c", (800, 300), phase=2),
    ]
    result = as_json(sufficient(rows, question(phases=phases)))
    for comparison in result["metrics"][0]["comparisons"]:
        assert_recomputable(result, result["metrics"][0], comparison)


def test_interval__of_a_quantile__is_made_again_from_the_json() -> None:
    cells = [2 ** (number / 64) for number in range(64)]
    rows = [
        replace(arm_day(arm, 0, {}), grids={"bought": Grid(dict.fromkeys(cells, each))})
        for arm, each in (("control", 10), ("b", 20))
    ]
    result = as_json(sufficient(rows, question(MEDIAN)))
    assert_recomputable(result, result["metrics"][0], result["metrics"][0]["comparisons"][0])
