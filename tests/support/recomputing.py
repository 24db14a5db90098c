"""Intervals made again from the JSON of a result and nothing else, by the published formulas."""

from math import log, sqrt
from typing import Any

import pytest


def assert_recomputable(result: Any, metric: Any, comparison: Any) -> None:
    """Of a result by confidence sequences (arXiv 2103.06476), without planned looks."""
    own = {arm["variant"]: arm for arm in metric["arms"] if same_segment(arm, comparison)}
    control = next(arm["variant"] for arm in result["arms"] if arm["isControl"])
    sides = comparison["control"], comparison["treatment"]
    error = error_of(*sides)
    assert comparison["standardError"] == pytest.approx(error, rel=1e-9)
    assert comparison["estimate"] == pytest.approx(sides[1]["value"] - sides[0]["value"], rel=1e-9)
    assert_sequence(result, comparison, comparison, error)
    unadjusted = comparison.get("unadjusted") or comparison
    if "of_shared_phases" not in comparison["valuesAre"]:
        plain = error_of(own[control], own[comparison["variant"]])
        assert unadjusted["standardError"] == pytest.approx(plain, rel=1e-9)
        assert_sequence(result, comparison, unadjusted, plain)


def same_segment(arm: Any, comparison: Any) -> bool:
    return bool(arm.get("segment") == comparison.get("segment"))


def error_of(control: Any, treatment: Any) -> float:
    return sqrt(control["variance"] / control["n"] + treatment["variance"] / treatment["n"])


def assert_sequence(result: Any, comparison: Any, estimate: Any, error: float) -> None:
    n, alpha = comparison["nControl"] + comparison["nVariant"], comparison["alpha"]
    weight = n * (-2 * log(alpha) + log(1 - 2 * log(alpha))) / result["plannedSize"]
    half = error * sqrt(2 * (weight + 1) / weight * log(sqrt(weight + 1) / alpha))
    found = estimate["interval"]
    assert found["low"] == pytest.approx(estimate["estimate"] - half, rel=1e-9)
    assert found["high"] == pytest.approx(estimate["estimate"] + half, rel=1e-9)
