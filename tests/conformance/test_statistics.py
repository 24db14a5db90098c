"""The published figures of conformance/stats/, from the estimators."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from fairlot.stats.bayes import Rate, expected_losses, probabilities_best
from fairlot.stats.effects import Effect, effect_of
from fairlot.stats.group_sequential import (
    boundaries,
    crossing,
    equal_fractions,
    obrien_fleming,
    pocock,
)
from fairlot.stats.metrics import Direction
from fairlot.stats.multiplicity import benjamini_hochberg, bonferroni, holm
from fairlot.stats.planning import Design, Size, size_for_rate
from fairlot.stats.proportions import (
    Conversions,
    effect_of_conversions,
    newcombe,
    pooled,
    unpooled,
)
from fairlot.stats.results import Estimate
from fairlot.stats.sequences import confidence_sequence
from fairlot.stats.srm import srm
from support.measured import measured

from .loader import disagreements, file_params, kinds_in

AREAS = ("stats",)
Given = Mapping[str, Any]
Figures = dict[str, Any]


def _totals(given: Given) -> Conversions:
    return Conversions(
        converted_control=given["control"][0],
        n_control=given["control"][1],
        converted_treatment=given["treatment"][0],
        n_treatment=given["treatment"][1],
    )


def _effect(given: Given) -> Effect:
    effect = effect_of_conversions(_totals(given))
    assert isinstance(effect, Effect)
    return effect


def _named(estimate: Estimate | None, name: str) -> Figures:
    assert estimate is not None
    assert estimate.standard_error is not None
    return {
        f"{name}Z": estimate.estimate / estimate.standard_error,
        f"{name}P": estimate.p,
        f"{name}Low": estimate.interval.low,
        f"{name}High": estimate.interval.high,
    }


def _rates(given: Given) -> Figures:
    effect = _effect(given)
    return {
        "difference": effect.difference,
        **_named(unpooled(effect, given["alpha"]), "unpooled"),
        **_named(pooled(_totals(given), given["alpha"]), "pooled"),
    }


def _newcombe(given: Given) -> Figures:
    interval = newcombe(_totals(given), given["alpha"]).interval
    return {"low": interval.low, "high": interval.high}


def _ratio(given: Given) -> Figures:
    arms = (
        measured(*zip(*given[arm], strict=True), responses=2) for arm in ("control", "treatment")
    )
    effect = effect_of(*arms, responses=2)
    assert isinstance(effect, Effect)
    return {"difference": effect.difference, "standardError": effect.standard_error}


def _sample_ratio(given: Given) -> Figures:
    found = srm(given["counts"], given["shares"])
    return {"chiSquare": found.chi_square, "p": found.chi_square_p}


def _confidence_sequence(given: Given) -> Figures:
    found = confidence_sequence(_effect(given), given["plannedSize"], given["alpha"])
    return {"low": found.interval.low, "high": found.interval.high, "p": found.p}


def _beta_binomial(given: Given) -> Figures:
    arms = [Rate(*arm) for arm in given["arms"]]
    return {
        "best": probabilities_best(arms, Direction.INCREASE),
        "losses": expected_losses(arms, Direction.INCREASE),
    }


def _sample_size(given: Given) -> Figures:
    design = Design(alpha=given["alpha"], power=given["power"], is_pooled=given["pooled"])
    size = size_for_rate(given["rate"], given["effect"], design)
    assert isinstance(size, Size)
    return {"arm": size.treatment}


def _boundaries(given: Given) -> Figures:
    looks, alpha = given["looks"], given["alpha"]
    shapes: dict[str, Callable[[], tuple[float, ...]]] = {
        "pocock": lambda: (pocock(looks, alpha),) * looks,
        "obrien_fleming": lambda: obrien_fleming(looks, alpha),
        "lan_demets": lambda: boundaries(equal_fractions(looks), alpha),
    }
    return {"bounds": shapes[given["shape"]]()}


def _crossing(given: Given) -> Figures:
    looks = given["looks"]
    return {"error": crossing(equal_fractions(looks), [given["bound"]] * looks)}


def _corrections(given: Given) -> Figures:
    corrected = {
        "bonferroni": bonferroni(given["p"]),
        "holm": holm(given["p"]),
        "benjaminiHochberg": benjamini_hochberg(given["p"]),
    }
    return {
        name: sum(p <= given["alpha"] for p in p_values) for name, p_values in corrected.items()
    }


METHODS: dict[str, Callable[[Given], Figures]] = {
    "beta_binomial": _beta_binomial,
    "boundaries": _boundaries,
    "confidence_sequence": _confidence_sequence,
    "corrections": _corrections,
    "crossing": _crossing,
    "newcombe": _newcombe,
    "rates": _rates,
    "ratio": _ratio,
    "sample_ratio": _sample_ratio,
    "sample_size": _sample_size,
}


def _close(found: Any, figure: Any) -> None:
    if isinstance(figure, list):
        assert len(found) == len(figure)
        for each, part in zip(found, figure, strict=True):
            _close(each, part)
    elif figure is not None:
        last_place = 10.0 ** int(Decimal(figure).as_tuple().exponent)
        assert found == pytest.approx(float(figure), abs=0.5001 * last_place, rel=0)


def _check(case: Given) -> None:
    found = METHODS[case["method"]](case["given"])
    for name, figure in case["expected"].items():
        _close(found[name], figure)


@pytest.mark.parametrize("entry", file_params(*AREAS))
def test_statistics__file_of_vectors__agrees(entry: Given) -> None:
    assert disagreements(entry, {"statistic": _check}) == {}


def test_statistics__kinds_of_vectors__the_one() -> None:
    assert kinds_in(*AREAS) == {"statistic"}
