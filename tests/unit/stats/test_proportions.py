import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from fairlot.stats.effects import Effect, NoEffect, effect_of
from fairlot.stats.proportions import (
    Conversions,
    conversion,
    conversions_of,
    effect_of_conversions,
    newcombe,
    pooled,
    unpooled,
)
from fairlot.stats.welch import welch
from support.measured import measured


def _conversions(control: str, treatment: str) -> Conversions:
    (a, m), (b, n) = ((int(part) for part in arm.split("/")) for arm in (control, treatment))
    return Conversions(converted_control=a, n_control=m, converted_treatment=b, n_treatment=n)


COOKIE_CATS = _conversions("8502/44700", "8279/45489")
UDACITY = _conversions("3785/17293", "3423/17260")


def _effect(totals: Conversions) -> Effect:
    effect = effect_of_conversions(totals)
    assert isinstance(effect, Effect)
    return effect


def test_unpooled__cookie_cats__published() -> None:
    found = unpooled(_effect(COOKIE_CATS), 0.05)
    assert found.standard_error is not None
    assert found.estimate / found.standard_error == pytest.approx(-3.16406, abs=5e-6)
    assert found.p == pytest.approx(0.00155583, abs=5e-9)
    assert found.estimate == pytest.approx(-0.0082013, abs=5e-8)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (-0.013282, -0.003121), abs=5e-7
    )
    assert conversion(COOKIE_CATS, 0.05) == found


def test_pooled__cookie_cats__published() -> None:
    found = pooled(COOKIE_CATS, 0.05)
    assert found is not None
    assert found.standard_error is not None
    assert found.estimate / found.standard_error == pytest.approx(-3.16436, abs=5e-6)
    assert found.p == pytest.approx(0.00155425, abs=5e-9)
    z, p = proportions_ztest([8279, 8502], [45489, 44700])
    assert found.estimate / found.standard_error == pytest.approx(z, rel=1e-9)
    assert found.p == pytest.approx(p, rel=1e-9)


def test_proportions__udacity_gross_conversion__published() -> None:
    textbook, ours = pooled(UDACITY, 0.05), conversion(UDACITY, 0.05)
    assert textbook is not None
    assert ours is not None
    assert textbook.standard_error is not None
    assert ours.estimate == pytest.approx(-0.0205549, abs=5e-8)
    assert textbook.estimate / textbook.standard_error == pytest.approx(-4.70183, abs=5e-6)
    assert (textbook.interval.low, textbook.interval.high) == pytest.approx(
        (-0.029123, -0.011987), abs=5e-7
    )
    assert (ours.interval.low, ours.interval.high) == pytest.approx(
        (-0.029120, -0.011990), abs=5e-7
    )


# Newcombe (1998), table II, method 10: his first arm is the treatment here.
@pytest.mark.parametrize(
    ("treatment", "control", "low", "high"),
    [
        ("56/70", "48/80", 0.0524, 0.3339),
        ("9/10", "3/10", 0.1705, 0.8090),
        ("6/7", "2/7", 0.0582, 0.8062),
        ("5/56", "0/29", -0.0381, 0.1926),
        ("0/10", "0/20", -0.1611, 0.2775),
        ("0/10", "0/10", -0.2775, 0.2775),
        ("10/10", "0/20", 0.6791, 1.0),
        ("10/10", "0/10", 0.6075, 1.0),
    ],
)
def test_newcombe__published_tables__published_intervals(
    treatment: str, control: str, low: float, high: float
) -> None:
    totals = _conversions(control, treatment)
    found = newcombe(totals, 0.05)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), abs=5e-5)
    theirs = confint_proportions_2indep(
        totals.converted_treatment,
        totals.n_treatment,
        totals.converted_control,
        totals.n_control,
        method="newcomb",
        compare="diff",
    )
    assert (found.interval.low, found.interval.high) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment"), [("3/400", "12/390"), ("12/390", "3/400"), ("0/9", "9/9")]
)
def test_newcombe__p__the_alpha_whose_interval_ends_at_zero(control: str, treatment: str) -> None:
    totals = _conversions(control, treatment)
    found = conversion(totals, 0.05)
    assert found is not None
    at_p = newcombe(totals, found.p).interval
    assert min(abs(at_p.low), abs(at_p.high)) == pytest.approx(0, abs=1e-9)


def test_newcombe__far_apart__no_p_to_write() -> None:
    assert newcombe(_conversions("0/1000000", "999999/1000000"), 0.05).p == 0
    assert newcombe(_conversions("3/100", "6/200"), 0.05).p == 1


def test_conversion__all_or_none__an_interval_all_the_same() -> None:
    nobody = _conversions("0/500", "0/500")
    assert effect_of_conversions(nobody) is NoEffect.NO_VARIANCE
    assert pooled(nobody, 0.05) is None
    found = conversion(nobody, 0.05)
    assert found is not None
    assert found.interval.low < 0 < found.interval.high
    assert found.p == 1


def test_conversion__an_empty_arm__none() -> None:
    empty = _conversions("0/0", "3/10")
    assert effect_of_conversions(empty) is NoEffect.NO_SUBJECTS
    assert conversion(empty, 0.05) is None
    assert pooled(empty, 0.05) is None


def test_conversion__subjects_one_by_one__nearly_welch_of_zeros_and_ones() -> None:
    chance = np.random.default_rng(1)
    arms = [measured(chance.random(4000) < rate) for rate in (0.1, 0.12)]
    rows, totals = effect_of(*arms), effect_of_conversions(conversions_of(*arms))
    assert isinstance(rows, Effect)
    assert isinstance(totals, Effect)
    assert totals.standard_error == pytest.approx(rows.standard_error * (3999 / 4000) ** 0.5)
    assert totals.skewness_control == pytest.approx(rows.skewness_control, rel=1e-9)
    assert unpooled(totals, 0.05).p == pytest.approx(welch(rows, 0.05).p, rel=0.01)
