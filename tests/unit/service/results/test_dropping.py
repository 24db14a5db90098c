"""Looks that are dropped are taken anew, on record, and nobody gains anything else by it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from shutil import rmtree

import msgspec
import pytest

from fairlot.manifest.instants import write_instant
from fairlot.service.actors import Actor, Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.refusals import MissingScope, NotThere, ReasonMissing
from fairlot.service.results.dropping import NothingToDrop, drop_looks
from fairlot.service.results.fixed import Dropping
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.results import ExperimentResult, Interval, Look
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from support.applying import ANNA, apply_texts
from support.tables import open_with_tables
from support.two_arms import arm
from unit.service.conftest import NOW_MS, Apply
from unit.service.results.test_resulting import FIRST_DAY_MS, HERO, Bench, codes

REASON = "half an import"
DROPPED_MS = FIRST_DAY_MS


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(open_with_tables(tmp_path, "a secret of the operator", None)) as store:
        bootstrap(store, now_ms=NOW_MS)
        apply_texts(store, HERO, now_ms=NOW_MS)
        yield Bench(store, tmp_path / "events")


def drop(bench: Bench, *, key: str = "hero", reason: str = REASON, actor: Actor = ANNA) -> Dropping:
    with bench.store.writing() as connection:
        return drop_looks(connection, bench.tenant, key, reason, actor=actor, now_ms=DROPPED_MS)


def plant(bench: Bench, numbers: range, a: int, b: int) -> None:
    """Of 1,000 subjects an arm those with these numbers; the first `a` and `b` of all order."""
    planted = partial(arm, place=bench.place, start_ms=FIRST_DAY_MS, days=10)
    wanted = set(numbers)
    events = [*planted("a", 1_000, a), *planted("b", 1_000, b)]
    bench.plant(each for each in events if int(each.subject_id.split("-")[1]) in wanted)


def one(result: ExperimentResult, code: FindingCode) -> Finding:
    (found,) = [each for each in result.findings if each.code is code]
    return found


def test_drop__after_half_an_import__takes_looks_and_caps_of_all(bench: Bench) -> None:
    """Of the first half 80 % and 90 % buy, of all 40 % and 45 %."""
    plant(bench, range(500), 400, 450)
    early = bench.result()
    last = early.metrics[0].comparisons[0].looks[-1]
    assert last.n == 1_000
    assert last.estimate == pytest.approx(0.1)
    plant(bench, range(500, 1_000), 400, 450)
    warned = one(bench.result(), FindingCode.LOOKS_OUTDATED)
    assert "`fairlot experiments drop-looks KEY --reason TEXT`" in warned.advice
    before = bench.looks()
    dropping = drop(bench)
    assert (dropping.looks, dropping.caps) == (sum(map(len, before.values())), {"revenue": 5.0})
    assert (bench.looks(), bench.fixed().caps) == ({}, {})
    result = bench.result()
    comparison = result.metrics[0].comparisons[0]
    # 100 subjects of each arm came every day, as if all had been there from the first.
    assert [look.n for look in comparison.looks] == [200 * day for day in range(1, 11)]
    assert comparison.looks[-1].estimate == pytest.approx(0.05)
    assert bench.fixed().caps == {"revenue": 5.0}
    assert FindingCode.LOOKS_OUTDATED not in codes(result)


def test_drop__each_later_result__says_when_and_why(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    looks = bench.result().metrics[0].comparisons[0].looks
    count = sum(map(len, bench.looks().values()))
    drop(bench)
    noted = one(bench.result(), FindingCode.LOOKS_DROPPED)
    assert noted.severity is Severity.NOTES
    assert noted.summary == (
        f"The stored looks ({count}, the newest of {looks[-1].day}) were dropped at"
        f" {write_instant(DROPPED_MS)} by {ANNA.name}: {REASON}."
    )
    # Each set of looks errs in up to alpha: with two of them in up to twice as many.
    assert "2 chances to err, together up to 0.1 instead of 0.05" in noted.advice
    assert (noted.evidence["reason"], noted.evidence["looks"]) == (REASON, count)
    drop(bench, reason="Is it whole? ")
    twice = [each for each in bench.result().findings if each.code is FindingCode.LOOKS_DROPPED]
    assert [each.summary.rpartition(": ")[2] for each in twice] == [f"{REASON}.", "Is it whole?"]
    assert ["together up to 0.15 " in each.advice for each in twice] == [True, True]


def test_drop__of_unchanged_events__gives_the_same_looks_and_verdict(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 430))
    before = bench.result()
    drop(bench)
    after = bench.result()
    assert (after.metrics, after.verdict) == (before.metrics, before.verdict)


def test_drop__plan_and_primaries__stay_as_they_were_fixed(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    bench.result()
    drop(bench)
    changed = HERO.replace("kind: sum,", "kind: sum, isPrimary: true,")
    apply_texts(bench.store, f"{changed}analysis: {{alpha: 0.4}}\n", now_ms=NOW_MS + 1)
    again = bench.result()
    assert (again.alpha, [each.role for each in again.metrics]) == (0.05, ["primary", "secondary"])
    assert codes(again) == {FindingCode.LOOKS_DROPPED, FindingCode.PLAN_CHANGED}


def test_drop__primary_defined_anew__is_blocked_as_before(bench: Bench) -> None:
    """Else whoever drops looks could choose what decides, after it was seen."""
    bench.arms((300, 120), (300, 180))
    bench.result()
    other = HERO.replace("bought, kind: conversion,", "bought, kind: count,")
    apply_texts(bench.store, other, now_ms=NOW_MS + 1)
    drop(bench)
    assert "metric_changed" in bench.result().verdict.reasons
    assert ("bought", "b") not in bench.looks()
    apply_texts(bench.store, HERO, now_ms=NOW_MS + 2)
    back = bench.result()
    assert codes(back) == {FindingCode.LOOKS_DROPPED}
    assert len(back.metrics[0].comparisons[0].looks) == 7


def test_drop__events_gone_that_a_look_had_counted__is_blocked_as_before(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    bench.result()
    for folder in sorted(bench.events_dir.rglob("exposures/date=*"))[:4]:
        rmtree(folder)
    drop(bench)
    result = bench.result()
    assert result.verdict.reasons == ("events_gone",)
    found = one(result, FindingCode.EVENTS_GONE)
    # Of ten days with 200 subjects each four are gone.
    assert (found.evidence["subjectsThen"], found.evidence["subjectsNow"]) == (2_000, 1_200)
    assert bench.result(days=5).findings != ()


def test_drop__while_a_result_is_made__keeps_nothing_of_it(
    store: Store, apply: Apply, tmp_path: Path
) -> None:
    apply(HERO)
    bench = Bench(store, tmp_path / "events")
    bench.arms((300, 120), (300, 180))
    bench.result()
    under_way, analysis = bench.record(), bench.fixed()
    drop(bench)
    look = Look(
        day=date(2026, 11, 24), n=9, estimate=0.0, interval=Interval(low=-1.0, high=1.0), p=0.5
    )
    under_way.keep({("bought", "b"): [look]}, NOW_MS)
    assert bench.looks() == {}
    assert (analysis.caps, bench.fixed().caps) == ({"revenue": 5.0}, {})


def test_drop__is_on_record(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    bench.result()
    dropping = drop(bench)
    with bench.store.reading() as connection:
        (newest,) = read_audit_records(connection, bench.tenant.organization_id, limit=1)
    assert (newest.action, newest.actor, newest.target) == (
        "looks.drop",
        ANNA.name,
        "experiment:hero",
    )
    assert (newest.project, newest.at_ms) == (bench.tenant.key, DROPPED_MS)
    assert msgspec.json.decode(newest.details) == {
        "reason": REASON,
        "looks": dropping.looks,
        "caps": ["revenue"],
    }


def test_drop__of_what_is_not_there_or_may_not_be__is_refused(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    bench.result(days=0.5)
    with pytest.raises(NothingToDrop) as early:
        drop(bench)
    assert str(early.value) == (
        "hero: no looks and no caps of it are stored; a result stores looks of whole days, in the"
        " project's time zone, once the windows of all who were exposed on them are over: ask for"
        " it after that"
    )
    bench.result()
    with pytest.raises(NotThere, match="heros"):
        drop(bench, key="heros")
    with pytest.raises(ReasonMissing, match="hero: drop-looks needs a reason"):
        drop(bench, reason="  \n")
    with pytest.raises(MissingScope) as caught:
        drop(bench, actor=Actor("key:12345678", frozenset(Scope) - {Scope.WRITE}))
    assert caught.value.scope == Scope.WRITE
    assert bench.looks() != {}
    drop(bench)
    with pytest.raises(NothingToDrop):
        drop(bench)
