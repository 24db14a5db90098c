"""Events that come after a look: no verdict rests on what they have taken the ground of."""

from collections.abc import Iterator
from itertools import product
from shutil import rmtree

import pytest

from fairlot.events import Identity
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.results import ExperimentResult, Method, VerdictKind
from support.applying import apply_texts
from support.two_arms import DAY_MS
from unit.service.conftest import NOW_MS
from unit.service.results.test_dropping import bench, drop
from unit.service.results.test_resulting import FIRST_DAY_MS, HERO, Bench, codes

__all__ = ["bench"]
METHODS = tuple(Method)


def analysed_by(bench: Bench, method: Method) -> None:
    plan = f"analysis: {{method: {method}, plannedSize: 2000}}\n"
    apply_texts(bench.store, HERO + plan, now_ms=NOW_MS)


def outdated(result: ExperimentResult) -> list[Finding]:
    return [each for each in result.findings if each.code is FindingCode.LOOKS_OUTDATED]


@pytest.mark.parametrize("method", METHODS)
def test_late__orders_of_a_second_source_even_out__no_verdict_until_looks_are_dropped(
    bench: Bench, method: Method
) -> None:
    """b moves orders from a shop to the web, whose events come first: 10 % and 16 % buy there, of
    both sources 20 % and 20.5 %, which is of the sign as before."""
    analysed_by(bench, method)
    bench.arms((1_000, 100), (1_000, 160))
    assert bench.result().verdict.kind is VerdictKind.WINNER
    bench.arms((1_000, 200), (1_000, 205))
    result = bench.result()
    assert (result.verdict.kind, result.verdict.reasons) == (
        VerdictKind.BLOCKED,
        ("looks_outdated",),
    )
    (found,) = outdated(result)
    assert found.severity is Severity.BLOCKS
    assert found.evidence["estimateThen"] == pytest.approx(0.06)
    assert found.evidence["estimateNow"] == pytest.approx(0.005)
    drop(bench)
    after = bench.result()
    assert (after.verdict.kind, outdated(after)) == (VerdictKind.NO_DIFFERENCE, [])


@pytest.mark.parametrize("method", METHODS)
def test_late__the_contrary_shows__no_verdict(bench: Bench, method: Method) -> None:
    analysed_by(bench, method)
    bench.arms((1_000, 100), (1_000, 160))
    bench.result()
    bench.arms((1_000, 260), (1_000, 160))
    verdict = bench.result().verdict
    assert verdict.kind is VerdictKind.BLOCKED
    assert "looks_outdated" in verdict.reasons


@pytest.mark.parametrize("method", METHODS)
def test_late__few_orders_of_one_arm__leave_the_winner(bench: Bench, method: Method) -> None:
    analysed_by(bench, method)
    bench.arms((1_000, 100), (1_000, 160))
    before = bench.result()
    bench.arms((1_000, 105), (1_000, 160))
    after = bench.result()
    assert (after.verdict.kind, outdated(after)) == (VerdictKind.WINNER, [])
    looks = [each.metrics[0].comparisons[0].looks for each in (before, after)]
    assert looks[0] == looks[1]


LATE_MS = FIRST_DAY_MS + 31 * DAY_MS
"""After the first result."""


def logins(bench: Bench, users: int) -> Iterator[Identity]:
    """Two subjects of one arm are one user each; it is known late."""
    for variant, number in product("ab", range(2 * users)):
        subject, user = f"{variant}-{number}", f"user-{variant}-{number // 2}"
        event_id = f"login-{subject}"
        project_id = bench.place.project
        yield Identity(event_id, project_id, subject, user, FIRST_DAY_MS, received_at_ms=LATE_MS)


@pytest.mark.parametrize("method", METHODS)
def test_late__logins_join_subjects_of_the_looks__no_verdict_until_looks_are_dropped(
    bench: Bench, method: Method
) -> None:
    """A quarter fewer subjects are counted, and no event is gone."""
    analysed_by(bench, method)
    bench.arms((1_000, 100), (1_000, 160))
    assert bench.result().verdict.kind is VerdictKind.WINNER
    bench.arms((1_000, 200), (1_000, 205))
    bench.plant(logins(bench, 250))
    result = bench.result(days=32)
    assert result.verdict.reasons == ("looks_outdated",)
    assert FindingCode.EVENTS_GONE not in codes(result)
    (found,) = outdated(result)
    assert (found.evidence["subjectsThen"], found.evidence["subjectsNow"]) == (2_000, 1_500)
    assert "drop-looks KEY --reason" in found.advice
    drop(bench)
    after = bench.result(days=32)
    assert after.verdict.kind is VerdictKind.NO_DIFFERENCE
    assert codes(after).isdisjoint({FindingCode.EVENTS_GONE, FindingCode.LOOKS_OUTDATED})


def test_late__logins_join_subjects_and_events_are_gone__looks_stay_with_a_warning(
    bench: Bench,
) -> None:
    bench.arms((1_000, 100), (1_000, 160))
    bench.result()
    shown = sorted(bench.events_dir.rglob("exposures/date=*"))
    bench.plant(logins(bench, 50))
    for folder in shown[:2]:
        rmtree(folder)
    result = bench.result(days=32)
    assert result.verdict.kind is VerdictKind.WINNER
    (gone,) = [each for each in result.findings if each.code is FindingCode.EVENTS_GONE]
    # 200 subjects came each day; 200 are 100 now, and that is not counted as lost.
    assert (gone.severity, gone.evidence["subjectsNow"]) == (Severity.WARNS, 1_600)
