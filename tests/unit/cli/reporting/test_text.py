from msgspec.structs import replace

from fairlot.cli.reporting.intervals import ASCII, UNICODE
from fairlot.cli.reporting.text import ReportStyle, report_text
from fairlot.stats.results import (
    ExperimentResult,
    Interval,
    Side,
    SrmResult,
    ValuesAre,
    Verdict,
    VerdictKind,
)
from support.results import (
    a_comparison,
    a_metric,
    a_result,
    a_winner,
    blocked,
    no_difference,
    preliminary,
    uncompared,
    without_exposures,
)

PLAIN = ReportStyle(width=100, colour=False)


def lines_of(result: ExperimentResult, style: ReportStyle = PLAIN) -> list[str]:
    return report_text(result, style).splitlines()


def test_report_text__a_winner__begins_with_the_verdict_and_its_sentence() -> None:
    first, second, *_ = lines_of(a_winner())
    assert first == "WINNER"
    assert second.startswith("next-step wins: Purchase is 12.1 % in control")


def test_report_text__a_winner__has_each_figure_under_its_head() -> None:
    lines = lines_of(a_winner(), ReportStyle(width=110, colour=False))
    start = lines.index("Purchase, primary, within 7 days, 95 % intervals")
    ending = "< 0.001  +25.7 %  better"
    assert lines[start + 1 : start + 5] == [
        f"{'':24}subjects   value  difference            interval        p{'':5}lift",
        "  Continue                 3,204  12.1 %",
        f"  Continue to delivery     3,187  15.2 %    +3.1 pp*     +0.8 to +5.4 pp  {ending}",
        "",
    ]


def test_report_text__adjusted_by_cuped_and_with_looks__says_so_below_the_table() -> None:
    text = " ".join(report_text(a_winner(), PLAIN).split())
    assert "* Adjusted by CUPED for what subjects did before their exposure" in text
    assert "that took 17.4 % off the variance" in text
    assert "p is the smallest of all looks, the interval that of this moment" in text
    plain = a_comparison(variance_reduction=None)
    text = report_text(a_result(a_metric("purchase", plain)), PLAIN)
    assert "CUPED" not in text
    assert "smallest of all looks" not in text


def test_report_text__values_that_are_not_of_the_arms__stand_with_the_difference() -> None:
    """A variant that came later is compared with the control of then."""
    comparison = a_comparison(
        control=Side(n=1_000, value=0.1316, variance=0.1, skewness=2.2),
        treatment=Side(n=3_187, value=0.1628, variance=0.1, skewness=1.8),
        values_are=(ValuesAre.OF_SHARED_PHASES,),
    )
    text = report_text(a_result(a_metric("purchase", comparison)), PLAIN)
    assert "    16.3 % against 13.2 %, in the phases in which both were\n" in text
    same = replace(comparison, values_are=())
    assert "against" not in report_text(a_result(a_metric("purchase", same)), PLAIN)


def test_report_text__three_arms__says_how_probably_each_is_the_best() -> None:
    result = no_difference()
    (metric,) = result.metrics
    figures = ((0.2, 0.0061), (0.77, 0.0004), (0.03, 0.0102))
    arms = tuple(
        replace(arm, probability_best=best, expected_loss=loss)
        for arm, (best, loss) in zip(metric.arms, figures, strict=True)
    )
    shown = replace(result, metrics=(replace(metric, arms=arms),))
    text = " ".join(report_text(shown, PLAIN).split())
    assert "Purchase, Bayesian view, no guarantee when peeking: how probably each is" in text
    assert ": Continue 0.200 (0.6 pp), from-35 0.770 (0.0 pp), always 0.030 (1.0 pp)." in text
    assert "Bayesian" not in report_text(replace(shown, findings=blocked().findings), PLAIN)


def test_report_text__variants_of_one_name__are_told_by_their_keys() -> None:
    result = a_winner()
    arms = tuple(replace(arm, name="Same") for arm in result.arms)
    lines = lines_of(replace(result, arms=arms))
    assert any(line.startswith("  next-step  ") for line in lines)
    assert any(line.startswith("  Same (next-step)  ") for line in lines)


def test_report_text__beside_the_primary__prints_the_corrected_p_by_which_it_is_read() -> None:
    metrics = [
        replace(each, comparisons=(replace(each.comparisons[0], p=0.03, p_bh=0.06),))
        for each in a_winner().metrics
        if each.key == "revenue"
    ]
    text = report_text(replace(a_winner(), metrics=tuple(metrics)), PLAIN)
    assert "95 % intervals, p corrected\n" in text
    assert "A corrected p is by Benjamini and Hochberg" in text
    assert "0.060" in text and "0.030" not in text


def test_report_text__an_interval__is_drawn_on_a_scale_with_zero_in_the_middle() -> None:
    """60 wide, too little for names: 2 of indent, 9 of the key, 2 between, 47 for -0.04 to 0.04.
    So zero is at place 23, -0.02 at 11.5 (rounded to even), 0.01 at 28.75, 0.04 at 46."""
    comparison = a_comparison(estimate=0.01, interval=Interval(low=-0.02, high=0.04))
    lines = lines_of(
        a_result(a_metric("purchase", comparison)), ReportStyle(width=60, colour=False)
    )
    start = lines.index("Purchase, difference from control")
    assert lines[start + 1 : start + 3] == [
        "  next-step  " + " " * 12 + "├" + "─" * 10 + "┊" + "─" * 5 + "●" + "─" * 16 + "┤",
        "             -4 pp" + " " * 18 + "0" + " " * 18 + "+4 pp",
    ]


def test_report_text__a_terminal_without_unicode__draws_with_ascii() -> None:
    text = report_text(a_winner(), ReportStyle(width=100, colour=False, strokes=ASCII))
    assert text.isascii()
    assert "[---" in text


def test_report_text__80_columns__leaves_out_the_intervals_of_the_lifts() -> None:
    lines = lines_of(a_winner(), ReportStyle(width=80, colour=False))
    assert any("+25.7 %  better" in line for line in lines)
    assert any(line.startswith("  next-step  ") for line in lines)
    drawn = [line for line in lines if UNICODE.point in line or line.startswith(("WINNER", "Int"))]
    assert max(map(len, drawn)) <= 80


def test_report_text__colour__marks_the_verdict_and_what_is_better() -> None:
    text = report_text(a_winner(), ReportStyle(width=100, colour=True))
    assert "\x1b[32m\x1b[1mWINNER\x1b[0m" in text
    assert "\x1b[32m\x1b[1mbetter\x1b[0m" in text


def test_report_text__zero_inside_today_and_outside_of_all_looks__says_what_it_rests_on() -> None:
    rests = a_comparison(
        interval=Interval(low=-0.001, high=0.06),
        running=Interval(low=0.002, high=0.05),
        is_significant=True,
    )
    text = report_text(a_result(a_metric("purchase", rests)), PLAIN)
    assert "  better (all looks)" in text
    assert "\n    all looks: +0.2 to +5.0 pp" in text


def test_report_text__blocked__says_why_first_and_concludes_nothing() -> None:
    lines = lines_of(blocked())
    assert lines.index("Blocks the verdict") < lines.index("Who was in it")
    assert lines.index("Read with care") > lines.index("Who was in it")
    text = "\n".join(lines)
    assert "better" not in text.replace("less is better", "")
    assert "The split is not what was drawn: p < 0.001, by chi-square < 0.001." in lines
    assert "  Continue to delivery (next-step)     3,874  44.6 %  50 %        10" in lines


def test_report_text__blocked_by_a_guardrail__says_which_is_harmful() -> None:
    """No finding blocks, so what the intervals say still holds."""
    harmed = a_comparison("tickets", guardrail="harmful")
    verdict = Verdict(kind=VerdictKind.BLOCKED, sentence="No verdict.", reasons=("x",))
    result = a_result(a_metric("tickets", harmed), verdict=verdict)
    assert "  harmful" in report_text(result, PLAIN)


def test_report_text__gated__has_the_reason_and_no_interval() -> None:
    lines = lines_of(preliminary())
    (number,) = [number for number, line in enumerate(lines) if "58  15.2 %" in line]
    assert lines[number].endswith("too few yet")
    assert lines[number + 1] == "    needs 100 subjects in each arm"
    assert not any(UNICODE.point in line for line in lines)


def test_report_text__nobody_exposed__says_so() -> None:
    text = report_text(without_exposures(), PLAIN)
    assert "Nobody was seen, so there is no split to check." in text
    assert "as of 28 Nov 2026, 13:00 (Europe/Vienna)" in text


def test_report_text__what_is_not_compared__has_its_reason_below() -> None:
    lines = lines_of(uncompared())
    number = next(n for n, line in enumerate(lines) if line.startswith("  Continue to delivery"))
    assert lines[number].endswith("15.2 %")
    assert lines[number + 1] == "    not compared: nobody is there"


def test_report_text__left_out__counts_whoever_saw_two_variants_once() -> None:
    lines = lines_of(a_winner())
    assert "Left out: 9 seen in several variants, 6 switched by a login." in lines
    arms = [line for line in lines if line.startswith("  Continue")]
    assert [line.split()[-1] for line in arms] == ["10", "10"]


def test_report_text__two_phases_and_three_arms__are_told() -> None:
    text = report_text(no_difference(), PLAIN)
    assert "97.5 % intervals" in text
    assert text.endswith("2 phases, put together by their sizes.")


def test_report_text__a_split_of_p_0_009__asks_to_look_at_it() -> None:
    """Cookie Cats: the chi-square warns, the anytime-valid p does not."""
    srm = SrmResult(p=0.96, chi_square=6.9024, chi_square_p=0.00860799, p_before_exclusions=0.96)
    text = report_text(replace(a_winner(), srm=srm), PLAIN)
    told = (
        "The split is unlikely by the chi-square, p 0.009, which holds at one look only; at every"
    )
    assert f"{told} look p is 0.960." in text


def test_report_text__a_subject_in_an_arm_of_weight_0__says_that_nobody_is_drawn_into_it() -> None:
    srm = SrmResult(p=0.0, chi_square=None, chi_square_p=0.0, p_before_exclusions=0.0)
    text = report_text(replace(a_winner(), srm=srm), PLAIN)
    assert "not what was drawn: subjects are in an arm that nobody is drawn into." in text


def test_report_text__a_name_with_an_escape_sequence__is_shown_and_not_obeyed() -> None:
    text = report_text(replace(a_winner(), experiment_name="\x1b[2Jgone"), PLAIN)
    assert "\x1b" not in text
    assert "[2Jgone" in text
