"""`fairlot calc`: published cases as a user types them, and what is refused."""

import json
from typing import Any

import pytest
from scipy.stats import norm

from fairlot.cli import main


@pytest.fixture
def calc(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, str, str]:
        code = main(["calc", *(str(word) for word in words)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def figures(document: Any, arm: int = 1) -> dict[str, Any]:
    return {each["method"]: each for each in document["comparisons"][arm - 1]["figures"]}


def test_proportion__cookie_cats__every_published_figure(calc: Any) -> None:
    code, out, _ = calc("proportion", "8502/44700", "8279/45489", "--n-star", 90_189, "--json")
    document = json.loads(out)
    found = figures(document)
    assert code == 0
    assert found["pooled"]["z"] == pytest.approx(-3.16436, abs=5e-6)
    assert found["pooled"]["p"] == pytest.approx(0.00155425, abs=5e-9)
    assert found["unpooled"]["z"] == pytest.approx(-3.16406, abs=5e-6)
    assert found["unpooled"]["p"] == pytest.approx(0.00155583, abs=5e-9)
    assert found["unpooled"]["estimate"] == pytest.approx(-0.0082013, abs=5e-8)
    assert found["unpooled"]["interval"]["low"] == pytest.approx(-0.013282, abs=5e-7)
    assert found["unpooled"]["interval"]["high"] == pytest.approx(-0.003121, abs=5e-7)
    assert found["sequential"]["interval"]["low"] == pytest.approx(-0.0160686, abs=5e-8)
    assert found["sequential"]["p"] == pytest.approx(0.035069, abs=5e-7)
    better = document["comparisons"][0]["bayesian"]["probabilityBetter"]
    assert better == pytest.approx(0.000777339, abs=5e-10)
    assert document["sampleRatio"]["chiSquare"] == pytest.approx(6.9024, abs=5e-5)
    assert document["sampleRatio"]["chiSquareP"] == pytest.approx(0.00860799, abs=5e-9)


def test_proportion__udacity__published_intervals(calc: Any) -> None:
    found = figures(json.loads(calc("proportion", "3785/17293", "3423/17260", "--json")[1]))
    assert found["pooled"]["estimate"] == pytest.approx(-0.0205549, abs=5e-8)
    assert found["pooled"]["z"] == pytest.approx(-4.70183, abs=5e-6)
    assert found["pooled"]["interval"] == pytest.approx(
        {"low": -0.029123, "high": -0.011987}, abs=1e-6
    )
    assert found["unpooled"]["interval"] == pytest.approx(
        {"low": -0.029120, "high": -0.011990}, abs=1e-6
    )


def test_proportion__as_text__says_what_decides_and_what_is_suspicious(calc: Any) -> None:
    code, out, _ = calc("proportion", "8502/44700", "8279/45489")
    assert code == 0
    assert "unpooled z * -0.0082013 -0.0132816 -0.00312104 -3.16406" in " ".join(out.split())
    assert "Bayes: better with probability 0.000777339" in out
    assert "The chi-square, which holds at one look only, says that the sizes" in out


def test_proportion__three_arms__share_alpha_and_have_a_probability_to_be_best(calc: Any) -> None:
    document = json.loads(calc("proportion", "20/100", "25/100", "30/100", "--json")[1])
    assert [each["alpha"] for each in document["comparisons"]] == [0.025, 0.025]
    best = [each["probabilityBest"] for each in document["arms"]]
    assert best == pytest.approx((0.031282, 0.206258, 0.762460), abs=5e-7)
    fixed = [figures(document, arm)["unpooled"]["p"] for arm in (1, 2)]
    holm = [each["pHolm"] for each in document["comparisons"]]
    assert holm == pytest.approx([max(fixed[0], 2 * fixed[1]), 2 * fixed[1]])


def test_proportion__nobody_converted__newcombe_alone_decides(calc: Any) -> None:
    _, out, _ = calc("proportion", "0/10", "0/12", "--json")
    (figure,) = json.loads(out)["comparisons"][0]["figures"]
    assert (figure["method"], figure["decides"], figure["p"]) == ("newcombe", True, 1.0)


def test_proportion__an_empty_arm__has_no_figures(calc: Any) -> None:
    code, out, _ = calc("proportion", "0/0", "3/12")
    assert code == 0
    assert "No figures: an arm has no subjects." in out
    assert "probability" not in out


@pytest.mark.parametrize(
    ("margin", "once", "daily"),
    [
        (0.02, "safe", "safe"),
        (0.014, "safe", "inconclusive"),
        (0.01, "inconclusive", "inconclusive"),
        (0.002, "harmful", "inconclusive"),
    ],
)
def test_proportion__with_a_margin__is_a_guardrail_once_and_daily(
    calc: Any, margin: float, once: str, daily: str
) -> None:
    """Cookie Cats: the unpooled interval of the loss is from .0031 to .0133, the sequential one of
    N* = 90,189 from .0003 to .0161."""
    words = ("proportion", "8502/44700", "8279/45489", "--margin", margin, "--n-star", 90_189)
    (found,) = json.loads(calc(*words, "--json")[1])["comparisons"]
    assert (found["guardrail"], found["guardrailSequential"]) == (once, daily)
    out = calc(*words)[1]
    assert f"Guardrail, looked at once: {once}" in out
    assert f"Guardrail, looked at every day: {daily}" in out


def test_proportion__gated_with_a_margin__is_inconclusive_daily(calc: Any) -> None:
    words = ("proportion", "5/200", "5/200", "--margin", 0.5, "--json")
    (found,) = json.loads(calc(*words)[1])["comparisons"]
    assert (found["guardrail"], found["guardrailSequential"]) == ("safe", "inconclusive")


def test_proportion__without_a_margin__is_no_guardrail(calc: Any) -> None:
    (found,) = json.loads(calc("proportion", "5/200", "5/200", "--json")[1])["comparisons"]
    assert (found["guardrail"], found["guardrailSequential"]) == (None, None)


def test_mean__totals__is_welch_of_scipy(calc: Any) -> None:
    """scipy.stats.ttest_ind_from_stats(12.6, 4.7, 2010, 12.1, 4.5, 2000, equal_var=False)."""
    code, out, _ = calc("mean", "12.1/4.5/2000", "12.6/4.7/2010", "--json")
    assert code == 0
    found = figures(json.loads(out))["welch"]
    assert found["z"] == pytest.approx(3.4409150, abs=5e-7)
    assert found["p"] == pytest.approx(0.0005856827, abs=5e-10)


def test_mean__below_zero_and_less_is_better__is_no_option(calc: Any) -> None:
    code, out, _ = calc("mean", "-1/3/10", "-2/3/10", "--decrease")
    assert code == 0
    assert "Too early for the sequential one: the control has 10 of the 100 subjects" in out
    assert "Relative: hidden, as the value of the control is not clearly above zero" in out
    assert "Bayes: better with probability 0.77" in out
    assert "No figures: nothing varies" in calc("mean", "1/0/10", "2/0/10")[1]
    assert "No figures: an arm has a single subject" in calc("mean", "1/1/10", "2/1/1")[1]
    assert "No figures: an arm has no subjects" in calc("mean", "1/1/10", "2/1/0")[1]


def test_srm__weights_of_three_arms__are_read_up_to_the_next_option(calc: Any) -> None:
    code, out, _ = calc("srm", "812", "390", "398", "--weights", 50, 25, 25, "--json")
    assert code == 0
    assert json.loads(out)["chiSquare"] == pytest.approx(0.18 + 0.25 + 0.01)
    _, out, _ = calc("srm", "--weights", 50, 50, "--json", "600", "400")
    assert json.loads(out)["chiSquareP"] == pytest.approx(2.54e-10, abs=5e-13)


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (("600", "400"), "no verdict"),
        (("44,700", "45_489"), "The chi-square, which holds at one look only, says that"),
        (("560", "440"), "The test that holds at every look says that the sizes of the arms are"),
        (("502", "498"), "The arms have the sizes that were planned."),
    ],
)
def test_srm__as_text__says_whether_to_believe(calc: Any, counts: Any, says: str) -> None:
    assert says in calc("srm", *counts)[1]


def test_sequential__five_looks__published_boundaries(calc: Any) -> None:
    document = json.loads(calc("sequential", "--json")[1])
    assert [look["lanDemets"] for look in document["looks"]] == pytest.approx(
        (4.8769, 3.3570, 2.6803, 2.2898, 2.0310), abs=5e-5
    )
    assert document["looks"][4]["naiveError"] == pytest.approx(0.1417, abs=5e-5)
    assert "3 60.00% 2.6803" in " ".join(calc("sequential")[1].split())


def test_sequential__too_early_to_spend__has_no_boundary(calc: Any) -> None:
    words = ("sequential", "--looks", 30, "--alpha", 1e-12)
    assert "1 3.33% none" in " ".join(calc(*words)[1].split())


@pytest.mark.parametrize("alpha", [1e-15, 0.95, 0.9999999])
def test_sequential__alpha_at_an_end__has_boundaries(calc: Any, alpha: float) -> None:
    """One look is the two-sided quantile, by whatever method; the last of several is no lower."""
    code, out, err = calc("sequential", "--looks", 1, "--alpha", alpha, "--json")
    assert code == 0, err
    (look,) = json.loads(out)["looks"]
    quantile = pytest.approx(float(norm.isf(alpha / 2)), abs=1e-8)
    assert [look[each] for each in ("lanDemets", "obrienFleming", "pocock")] == [quantile] * 3
    for count in (5, 30):
        code, out, err = calc("sequential", "--looks", count, "--alpha", alpha, "--json")
        assert code == 0, err
        assert json.loads(out)["looks"][-1]["lanDemets"] >= look["lanDemets"] - 1e-8


@pytest.mark.parametrize("words", [("--power", 0.051), ("--power", 0.9, "--alpha", 0.85)])
def test_sample_size__power_little_above_alpha__takes_no_fewer_with_more_looks(
    calc: Any, words: Any
) -> None:
    plans = json.loads(calc("sample-size", "--rate", 0.2, "--effect", 0.01, *words, "--json")[1])[
        "plans"
    ]
    totals = {each["method"]: each["total"] for each in plans}
    assert totals["fixed"] <= totals["group_sequential"] < totals["sequential"]


def test_sample_size__published_case__every_method(calc: Any) -> None:
    words = ("sample-size", "--rate", 0.2, "--effect", 0.05)
    plans = {each["method"]: each for each in json.loads(calc(*words, "--json")[1])["plans"]}
    assert plans["fixed"]["control"] == 1_091
    assert plans["calculator"]["control"] == 1_030
    assert plans["sequential"]["plannedSize"] == plans["sequential"]["total"]
    out = " ".join(calc(*words)[1].split())
    assert "as calculators have it 0.05 1,030" in out
    assert f"`plannedSize: {plans['sequential']['total']}` before the start" in out


def test_sample_size__of_subjects__what_they_find(calc: Any) -> None:
    _, out, _ = calc("sample-size", "--rate", 0.2, "--subjects", 2 * 1_091, "--json")
    plans = {each["method"]: each for each in json.loads(out)["plans"]}
    assert plans["fixed"]["effect"] == pytest.approx(0.05, abs=1e-5)
    assert "calculator" not in plans
    mean = calc("sample-size", "--deviation", 10, "--effect", 1, "--arms", 3)[1]
    assert "one look 1 1,902" in " ".join(mean.split())
    assert "too few subjects" in calc("sample-size", "--rate", 0.5, "--subjects", 3)[1]
    assert "cannot move by so much" in calc("sample-size", "--rate", 0.5, "--effect", 0.7)[1]
    assert calc("sample-size", "--deviation", 10, "--subjects", 5_000)[0] == 0
    assert "more subjects than" in calc("sample-size", "--rate", 0.5, "--effect", "1e-300")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("proportion", "3/12"), "name two arms at least, the control first"),
        (("proportion", "3/12", "5"), "5: write CONVERTED/SUBJECTS, as in 8502/44700"),
        (("proportion", "3/12", "9/5"), "9/5: more have converted than there are"),
        (("proportion", "3/12", "x/5"), "x/5: 'x' is no count; write a whole number"),
        (("proportion", "3/12", "5/12", "--weights", 1), "--weights: 1 for 2 arms"),
        (("proportion", "3/12", "5/12", "--weights", 1, 0), "an arm without weight"),
        (("srm", "3", "5", "--weights", "1..2", 3), "write one number an arm, as in 50 50"),
        (("srm", "3", "5", "--weights"), "requires an argument"),
        (("srm", "3", "-5"), "No such option"),
        (("mean", "3/12", "1/2/3"), "3/12: write MEAN/DEVIATION/SUBJECTS"),
        (("mean", "3/-1/9", "1/2/3"), "3/-1/9: write MEAN/DEVIATION/SUBJECTS"),
        (("mean", "inf/1/9", "1/2/3"), "inf/1/9: write MEAN/DEVIATION/SUBJECTS"),
        (("mean", "1e308/1e308/2000", "-1e308/1e308/2000"), "1e308/1e308/2000: write MEAN"),
        (("srm", "5", "5", "--weights", "nan", 1), "--weights: write numbers"),
        (("srm", "5", "5", "--weights", "1e308", "1e308"), "--weights: write numbers"),
        (("sample-size", "--rate", "nan", "--effect", 1), "'nan' is no number"),
        (("sample-size", "--rate", 0.1, "--effect", "nan"), "'nan' is no number"),
        (("sample-size", "--effect", 1), "name either --rate or --deviation"),
        (("sample-size", "--rate", 0.1), "name either --effect or --subjects"),
        (
            ("sample-size", "--rate", 0.2, "--effect", 0.05, "--power", 0.01),
            "by subjects however few; write a larger --power, such as 0.8, or a smaller --alpha",
        ),
        (
            ("sample-size", "--rate", 0.2, "--subjects", 100_000, "--power", 0.05),
            "--power: 0.05 is not above alpha (0.05)",
        ),
        (
            ("sample-size", "--rate", 0.2, "--effect", 0.05, "--alpha", 0.8),
            "--power: 0.8 is not above alpha (0.8)",
        ),
        (
            ("sample-size", "--deviation", 2, "--effect", 1, "--arms", 3, "--power", 0.02),
            "--power: 0.02 is not above alpha of each comparison (0.025)",
        ),
        (("sequential", "--alpha", "1e-200"), "1e-200 is not in the range 1e-15<=x<1"),
        (("propotion", "1/2"), "did you mean proportion?"),
    ],
)
def test_calc__what_it_cannot_read__is_refused(calc: Any, words: Any, says: str) -> None:
    code, out, err = calc(*words)
    assert code in {1, 2}
    assert (out, says in err) == ("", True), err
