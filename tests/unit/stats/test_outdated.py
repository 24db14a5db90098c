"""Looks that were stored, against what is computed for their days now."""

import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Aggregate, Direction, EventTotal, Metric, MetricKind, Role
from fairlot.stats.outdated import outdated
from fairlot.stats.sufficient import Sufficient
from support.recounts import kept, recount_of
from support.sufficient import (
    BOUGHT,
    arm_day,
    conversions,
    converted,
    fixed,
    question,
    sufficient,
)


def experiment(control: int, b: int, n: int = 500) -> Sufficient:
    """So many of `n` subjects convert in each arm, on each of ten days."""
    arms = [*conversions("control", *[(n, control)] * 10), *conversions("b", *[(n, b)] * 10)]
    return sufficient(arms)


def found(then: Sufficient, now: Sufficient, there: Sufficient | None = None) -> list[Finding]:
    """`there` is what is left of the events of then: all of them without it."""
    looks = analyse(then, fixed(then.question)).new_looks
    analysis = analyse(now, fixed(now.question, looks=looks))
    return list(outdated(analysis, kept(looks), recount_of(there or then)))


@pytest.mark.parametrize(
    "now",
    [experiment(200, 250), experiment(205, 254), experiment(220, 275, n=550)],
    ids=["as it was", "late conversions", "late exposures"],
)
def test_outdated__healthy__nothing_is_found(now: Sufficient) -> None:
    assert found(experiment(200, 250), now) == []


@pytest.mark.parametrize(
    ("now", "severity", "figures"),
    [
        (experiment(250, 250), Severity.BLOCKS, (0.1, 0.0, 10_000, 10_000)),
        (experiment(400, 500, n=1_000), Severity.WARNS, (0.1, 0.1, 10_000, 20_000)),
    ],
    ids=["conversions of one arm were missing", "half was imported"],
)
def test_outdated__far_off__is_told_of_the_last_look(
    now: Sufficient, severity: Severity, figures: tuple[float, ...]
) -> None:
    """More subjects alone take no ground away."""
    (told,) = found(experiment(200, 250), now)
    assert (told.code, told.severity) == (FindingCode.LOOKS_OUTDATED, severity)
    names = ("estimateThen", "estimateNow", "subjectsThen", "subjectsNow")
    assert [told.evidence[name] for name in names] == pytest.approx(figures)
    is_outside = told.summary.endswith(", outside of that interval.")
    assert is_outside is (severity is Severity.BLOCKS)
    assert " in bought saw +10.00 points (+" in told.summary
    assert "drop-looks KEY --reason" in told.advice and "find out what came so late" in told.advice


def test_outdated__all_were_exposed_earlier_than_was_known__blocks() -> None:
    """The day that the look closed has no subjects now, so nothing closes with it."""
    days = [(0, 0), (5_000, 2_000)]
    then = sufficient([*conversions("control", *days), *conversions("b", (0, 0), (5_000, 2_500))])
    now = sufficient([*conversions("control", (5_000, 2_500)), *conversions("b", (5_000, 2_500))])
    (told,) = found(then, now)
    assert (told.severity, told.evidence["estimateNow"]) == (Severity.BLOCKS, 0.0)


def test_outdated__only_an_earlier_look__blocks() -> None:
    """What all looks have in common holds its interval too."""
    rows = [(500, 200)] * 10
    late = [(500, 320), *rows[1:]]
    then = sufficient([*conversions("control", *rows), *conversions("b", *rows)])
    now = sufficient([*conversions("control", *rows), *conversions("b", *late)])
    (told,) = found(then, now)
    assert told.severity is Severity.BLOCKS
    (taken,) = analyse(then, fixed(then.question)).new_looks.values()
    assert told.evidence["look"] < taken[-1].day.isoformat()


def test_outdated__subjects_of_it_are_gone__warns_and_drops_no_look() -> None:
    """Of the day after those that are gone few are left, and differ by chance."""
    rows = [(500, 200)] * 10
    then = sufficient([*conversions("control", *rows), *conversions("b", *rows)])
    gone = [(0, 0)] * 3
    now = sufficient(
        [
            *conversions("control", *gone, (100, 20), *rows[4:]),
            *conversions("b", *gone, (100, 60), *rows[4:]),
        ]
    )
    (told,) = found(then, now, there=now)
    assert told.severity is Severity.WARNS
    assert told.evidence["subjectsNow"] < told.evidence["subjectsThen"]
    assert "not to be dropped" in told.advice and "drop-looks" not in told.advice


def test_outdated__late_logins_join_subjects_of_it__blocks_and_may_be_dropped() -> None:
    """All of its events are there, and a fifth of its subjects was somebody else of them."""
    (told,) = found(experiment(200, 250), experiment(200, 160, n=400))
    assert told.severity is Severity.BLOCKS
    figures = (told.evidence["subjectsThen"], told.evidence["subjectsNow"])
    assert figures == (10_000, 8_000)
    assert "drop-looks KEY --reason" in told.advice


@pytest.mark.parametrize(("left", "severity"), [(475, Severity.BLOCKS), (474, Severity.WARNS)])
def test_outdated__some_of_its_events_are_gone__blocks_while_95_percent_are_there(
    left: int, severity: Severity
) -> None:
    """Of 500 subjects a day and arm."""
    joined, there = experiment(200, 160, n=400), experiment(200, 250, n=left)
    (told,) = found(experiment(200, 250), joined, there)
    assert told.severity is severity
    (told,) = found(experiment(200, 250), experiment(200, 160, n=left), sufficient([]))
    assert told.severity is severity


def returned(control: int, b: int, role: Role, bought: int) -> Sufficient:
    """Beside 200 buyers of the control, and so many of b, on each of ten days."""
    metric = Metric(
        "returned",
        "Returned",
        MetricKind.CONVERSION,
        EventTotal("return", Aggregate.ANY),
        role=role,
        direction=Direction.DECREASE,
        margin=0.05 if role is Role.GUARDRAIL else None,
    )
    rows = [
        arm_day(arm, day, {"bought": converted(500, buyers), "returned": converted(500, back)})
        for arm, buyers, back in (("control", 200, control), ("b", bought, b))
        for day in range(10)
    ]
    return sufficient(rows, question(BOUGHT, metric))


@pytest.mark.parametrize(
    ("role", "bought", "severity"),
    [
        (Role.GUARDRAIL, 250, Severity.BLOCKS),
        (Role.GUARDRAIL, 200, Severity.WARNS),
        (Role.SECONDARY, 250, Severity.WARNS),
    ],
    ids=["guardrail of a winner", "guardrail of nobody", "secondary"],
)
def test_outdated__of_no_primary_metric__blocks_where_the_verdict_rests_on_it(
    role: Role, bought: int, severity: Severity
) -> None:
    then, now = (returned(50, back, role, bought) for back in (50, 90))
    (told,) = found(then, now)
    assert (told.metric, told.severity) == ("returned", severity)
