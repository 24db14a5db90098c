"""Looks that were stored, against what is counted now."""

from datetime import timedelta

import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.results import Look
from fairlot.stats.sufficient import Sufficient, View
from fairlot.stats.vanished import vanished
from support.recounts import kept, recount_of
from support.sufficient import START, conversions, fixed, question, sufficient


def experiment(*days: int) -> Sufficient:
    """So many subjects in each arm, day by day; half of them convert."""
    halves = [(n, n // 2) for n in days]
    return sufficient([*conversions("control", *halves), *conversions("b", *halves)])


def looks_of(found: Sufficient) -> dict[tuple[str, str], tuple[Look, ...]]:
    return dict(analyse(found, fixed(found.question)).new_looks)


def gone(
    then: Sufficient, now: Sufficient, there: Sufficient | None = None, taken_at_ms: int | None = 1
) -> tuple[Finding, ...]:
    """`there` is what is left of the events of then: as many as now without it."""
    return tuple(vanished(now, kept(looks_of(then), taken_at_ms), recount_of(there or now)))


def test_vanished__late_logins_join_subjects__nothing_is_gone() -> None:
    then, now = experiment(*[500] * 10), experiment(*[350] * 10)
    assert gone(then, now, there=then) == ()
    (found,) = gone(then, now, there=experiment(0, 0, 0, *[500] * 7))
    assert (found.severity, found.evidence["subjectsNow"]) == (Severity.BLOCKS, 7_000)


def test_vanished__look_that_says_not_when_it_was_taken__is_by_what_is_counted_now() -> None:
    then, now = experiment(*[500] * 10), experiment(*[350] * 10)
    (found,) = gone(then, now, there=then, taken_at_ms=None)
    assert (found.severity, found.evidence["subjectsNow"]) == (Severity.BLOCKS, 7_000)
    assert "logins have joined subjects" in found.advice


@pytest.mark.parametrize(
    "now",
    [
        experiment(*[500] * 10),
        experiment(*[500] * 14),
        experiment(510, *[500] * 9),
        experiment(*[480] * 10),
    ],
    ids=["as it was", "more days", "late events", "a few joined by logins"],
)
def test_vanished__healthy__nothing_is_found(now: Sufficient) -> None:
    assert gone(experiment(*[500] * 10), now) == ()


def test_vanished__the_first_half_is_gone__blocks_with_the_worst_look() -> None:
    (found,) = gone(experiment(*[500] * 10), experiment(*[0] * 5, *[500] * 5))
    assert (found.code, found.severity) == (FindingCode.EVENTS_GONE, Severity.BLOCKS)
    assert (found.metric, found.variant) == ("bought", "b")
    # The window is 7 days: of the five days that are gone the last one had its look with day 11.
    assert found.evidence == {
        "look": (START + timedelta(days=11)).isoformat(),
        "subjectsThen": 5_000,
        "subjectsNow": 0,
        "share": 0.5,
    }
    assert "50 % of all who were counted are gone" in found.summary


def test_vanished__one_day_of_ten_is_gone__warns() -> None:
    (found,) = gone(experiment(*[500] * 10), experiment(0, *[500] * 9))
    assert found.severity is Severity.WARNS


def test_vanished__everything_is_gone__blocks() -> None:
    (found,) = gone(experiment(*[500] * 10), sufficient([]))
    assert (found.severity, found.evidence["share"]) == (Severity.BLOCKS, 1.0)


def test_vanished__all_so_far_count__those_who_have_not_matured_are_not_missing() -> None:
    then = experiment(*[500] * 10)
    asked = question(view=View.SO_FAR)
    assert gone(then, sufficient(then.rows, asked)) == ()


def test_vanished__of_a_segment_or_a_metric_that_left__says_nothing() -> None:
    then = experiment(*[500] * 10)
    assert gone(then, sufficient([], question(segment_by="device"))) == ()
    other = kept({("left", "b"): looks_of(then)["bought", "b"]})
    assert tuple(vanished(sufficient([]), other, recount_of(then))) == ()
