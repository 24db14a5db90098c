"""What is warned of when a change makes looks that were taken not count."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.service.actions import Asked as AskedAction
from fairlot.service.actions import act
from fairlot.service.bootstrap import bootstrap
from fairlot.service.changes.applying import Asked, plan_files
from fairlot.service.lifecycle import Action
from fairlot.service.plan_document import PlanWarning
from fairlot.service.results.dropping import drop_looks
from support.applying import ANNA, apply_texts, source_files
from support.tables import open_with_tables
from unit.service.conftest import NOW_MS
from unit.service.results.test_resulting import HERO, METRICS, Bench

BOUGHT = "kind: metric\nkey: bought\ntype: conversion\neventName: order\nwindow: 1d\n"
REVENUE = "kind: metric\nkey: revenue\ntype: sum\neventName: order\nwindow: 1d\n"
OTHER_BOUGHT, OTHER_REVENUE = (
    each.replace("eventName: order", "eventName: paid") for each in (BOUGHT, REVENUE)
)
NAMING = HERO.replace(METRICS, "metrics: [bought, revenue]\n")
WAY_OUT = "leave the definition as it was, and measure what is new as a metric with another key"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """`hero` names two metrics, of which the first is primary, and so does a draft."""
    with closing(open_with_tables(tmp_path, "a secret of the operator", None)) as store:
        bootstrap(store, now_ms=NOW_MS)
        draft = NAMING.replace("key: hero\n", "key: draft\nstatus: draft\n")
        apply_texts(store, BOUGHT, REVENUE, NAMING, draft, now_ms=NOW_MS)
        bench = Bench(store, tmp_path / "events")
        bench.arms((300, 120), (300, 180))
        yield bench


def applied(bench: Bench, *texts: str) -> tuple[PlanWarning, ...]:
    return apply_texts(bench.store, *texts, now_ms=NOW_MS + 1).warnings


def redefined(sentence: str) -> tuple[PlanWarning, ...]:
    return (PlanWarning(code="metric_changed", about="experiment:hero", sentence=sentence),)


def test_apply__primary_defined_anew_after_looks__says_that_its_result_is_blocked(
    bench: Bench,
) -> None:
    bench.result()
    assert applied(bench, OTHER_BOUGHT) == redefined(
        "has looks of bought, which is defined anew: they do not count any more, none is added, and"
        f" its result is blocked, because bought is primary; {WAY_OUT}"
    )
    assert "metric_changed" in bench.result().verdict.reasons


def test_apply__secondary_defined_anew_after_looks__says_that_these_do_not_count(
    bench: Bench,
) -> None:
    bench.result()
    assert applied(bench, OTHER_REVENUE) == redefined(
        "has looks of revenue, which is defined anew: they do not count any more, and none is"
        f" added; {WAY_OUT}"
    )
    assert bench.result().verdict.reasons == ()


def test_apply__both_defined_anew__is_one_warning_of_an_experiment(bench: Bench) -> None:
    bench.result()
    (warning,) = applied(bench, OTHER_BOUGHT, OTHER_REVENUE)
    assert warning.sentence.startswith("has looks of bought and revenue, which are defined anew:")
    assert "because bought is primary" in warning.sentence


def test_plan__metric_defined_anew_after_looks__warns_as_apply_does(bench: Bench) -> None:
    bench.result()
    with bench.store.reading() as connection:
        asked = Asked(source_files(OTHER_BOUGHT))
        planned = plan_files(connection, bench.tenant, asked, actor=ANNA, now_ms=NOW_MS + 1)
    assert planned.prepared.warnings == applied(bench, OTHER_BOUGHT) != ()


def test_apply__metric_of_the_experiments_own_defined_anew__is_warned_of(bench: Bench) -> None:
    apply_texts(bench.store, HERO, now_ms=NOW_MS)
    bench.result()
    (warning,) = applied(bench, HERO.replace("bought, kind: conversion,", "bought, kind: count,"))
    assert (warning.code, warning.about) == ("metric_changed", "experiment:hero")


def test_apply__defined_anew_while_paused_or_after_a_drop__is_warned_of(bench: Bench) -> None:
    """Whoever drops looks does not choose anew what is measured."""
    bench.result()
    with bench.store.writing() as connection:
        drop_looks(connection, bench.tenant, "hero", "half an import", actor=ANNA, now_ms=NOW_MS)
        pause = AskedAction(Action.PAUSE)
        act(connection, bench.tenant, "hero", pause, actor=ANNA, now_ms=NOW_MS)
    assert len(applied(bench, OTHER_BOUGHT)) == 1


def test_apply__defined_anew_and_back__warns_once(bench: Bench) -> None:
    bench.result()
    assert applied(bench, OTHER_BOUGHT)
    assert applied(bench, OTHER_BOUGHT) == ()
    assert applied(bench, OTHER_BOUGHT.replace("window: 1d", "window: 2d")) == ()
    assert applied(bench, BOUGHT) == ()
    assert len(bench.result().metrics[0].comparisons[0].looks) == 7


@pytest.mark.parametrize("other", [f"{BOUGHT}name: Buyers\nminimumEffect: 0.05\n", BOUGHT])
def test_apply__of_the_same_numbers__is_not_warned_of(bench: Bench, other: str) -> None:
    bench.result()
    assert applied(bench, other) == ()


def test_apply__no_looks_taken__is_not_warned_of(bench: Bench) -> None:
    assert applied(bench, OTHER_REVENUE) == ()
    bench.result(days=0.5)
    assert applied(bench, OTHER_BOUGHT) == ()


def test_apply__experiment_that_is_over__is_not_warned_of(bench: Bench) -> None:
    bench.result()
    apply_texts(bench.store, f"{NAMING}status: completed\n", now_ms=NOW_MS + 1)
    assert applied(bench, OTHER_BOUGHT) == ()
