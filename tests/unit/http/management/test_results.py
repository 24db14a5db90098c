"""The results of experiments, over HTTP."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fairlot.http.api.results import total_of, unreadable_files
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import MetricKind
from fairlot.stats.results import ArmValue
from fairlot.store.experiments import find_experiment
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.log_file import LogFile
from support.applying import apply_texts, tenant_of
from support.control import ControlBench, control_bench
from support.recomputing import assert_recomputable
from support.results import a_metric
from support.serving import NOW_MS
from support.two_arms import DAY_MS, Place, arm
from unit.warehouse.records import received

HERO = """key: hero
name: Hero
metrics:
  - {key: bought, kind: conversion, eventName: order, window: 1d}
  - {key: revenue, kind: sum, eventName: order, window: 1d}
variants: [{key: a, name: Old}, {key: b, name: New}]
"""
MIDNIGHT_MS = NOW_MS - NOW_MS % DAY_MS + DAY_MS
"""15 November 2023, the day after the start."""
PATH = "/api/v1/orgs/default/projects/default/experiments/hero"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlBench]:
    """30 days after the start; 500 subjects an arm came in five days."""
    folder = tmp_path_factory.mktemp("results")
    with control_bench(folder, None, events_dir=folder / "events") as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        apply_texts(bench.store, HERO.replace("hero", "draft") + "status: draft\n", now_ms=NOW_MS)
        _plant(bench, folder / "events")
        bench.clock.now_ms = NOW_MS + 30 * DAY_MS
        yield bench


def _plant(bench: ControlBench, events_dir: Path) -> None:
    with bench.store.reading() as connection:
        tenant = tenant_of(connection)
        row = find_experiment(connection, tenant.id, "hero")
    assert row is not None
    planted = partial(arm, place=Place(tenant.id, row.id), start_ms=MIDNIGHT_MS, days=5)
    write_events(events_dir, [*planted("a", 500, 200), *planted("b", 500, 300)])


def result(bench: ControlBench, query: str = "", status: int = 200) -> Any:
    answer = bench.get(f"{PATH}/results{query}", "reader")
    assert answer.status == status, answer.json
    return answer.json


@pytest.mark.parametrize("query", ["?as_of=2023-12-10", "?as_of=2023-12-10&segment=device"])
def test_sql__of_the_same_question__is_what_the_hash_is_of(bench: ControlBench, query: str) -> None:
    shown = result(bench, query)["querySha256"]
    sql = bench.get(f"{PATH}/sql{query}", "reader").json["sql"]
    assert hashlib.sha256(sql.encode()).hexdigest() == shown


def test_results__of_an_experiment__begin_with_the_verdict(bench: ControlBench) -> None:
    found = result(bench)
    assert (found["verdict"]["kind"], found["verdict"]["variant"]) == ("winner", "b")
    assert found["verdict"]["sentence"].startswith("New wins: bought is 60.00 % against 40.00 %")
    assert [arm["exposed"] for arm in found["arms"]] == [500, 500]
    assert found["metrics"][0]["comparisons"][0]["looks"][0]["day"] == "2023-11-16"


@pytest.mark.parametrize("query", ["", "?segment=device"])
def test_results__of_every_metric__have_what_their_intervals_are_made_of(
    bench: ControlBench, query: str
) -> None:
    found = result(bench, query)
    for metric in found["metrics"]:
        for comparison in metric["comparisons"]:
            assert_recomputable(found, metric, comparison)


def test_results__as_of_a_day__count_to_its_end(bench: ControlBench) -> None:
    """100 subjects an arm came on each of the days from the 15th."""
    found = result(bench, "?as_of=2023-11-17")
    assert [arm["exposed"] for arm in found["arms"]] == [300, 300]
    assert found["asOfMs"] == MIDNIGHT_MS + 3 * DAY_MS
    assert result(bench, "?as_of=2023-11-18T00:00:00Z")["arms"] == found["arms"]
    today = result(bench, "?as_of=2023-12-14")
    assert today["asOfMs"] == NOW_MS + 30 * DAY_MS


def test_results__by_segment__are_without_a_verdict(bench: ControlBench) -> None:
    found = result(bench, "?segment=device")
    segments = [each["segment"] for each in found["metrics"][0]["comparisons"]]
    assert segments == ["desktop", "mobile"]
    assert found["verdict"]["kind"] == "by_segment"
    nobody_has_it = result(bench, "?segment=properties.nosuch")
    assert [each["code"] for each in nobody_has_it["findings"]] == ["segment_not_seen"]


def test_doctor__of_an_experiment__has_all_findings_of_its_result(bench: ControlBench) -> None:
    found = bench.get(f"{PATH}/doctor", "reader").json
    assert (found["experiment"], found["exposed"]) == ("hero", {"a": 500, "b": 500})
    assert found["findings"] == result(bench)["findings"]


@pytest.mark.parametrize(("query", "is_told"), [("", True), ("?as_of=2023-12-10", False)])
def test_results__batches_were_lost__is_told_of_the_project_and_of_now(
    tmp_path: Path, query: str, is_told: bool
) -> None:
    """Senders count over their whole life, so what they say is of no moment before."""
    with control_bench(tmp_path, None, events_dir=tmp_path / "events") as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        _plant(bench, tmp_path / "events")
        bench.clock.now_ms = NOW_MS + 30 * DAY_MS
        with bench.store.reading() as connection:
            tenant = tenant_of(connection)
        lost = received(
            batch_seq=9,
            events_before=9_000,
            project_id=tenant.id,
            received_at_ms=bench.clock.now_ms,
        )
        file = LogFile(tmp_path / "events" / "worker-9.sqlite")
        file.append([], [], [lost])
        file.close()
        found = result(bench, query)["findings"]
    told = [each["summary"] for each in found if each["code"] == "lost_events"]
    assert ["senders of the project" in each for each in told] == [True] * is_told


def test_aggregate__of_counts__is_whole() -> None:
    """1 / 49 * 49 is 0.9999999999999999."""
    total = 1 / 49 * 49
    arm = ArmValue(variant="a", n=49, value=1 / 49, total=total, converted=1, capped=0)
    metric = a_metric(kind=MetricKind.COUNT)
    assert total_of(arm, metric) == 1
    assert total_of(arm, a_metric(kind=MetricKind.SUM)) == total


def test_aggregate__of_a_metric__is_a_row_a_variant(bench: ControlBench) -> None:
    found = bench.get(f"{PATH}/aggregate?metric=revenue", "reader").json
    assert found["variants"] == [
        {
            "variant": key,
            "isControl": is_control,
            "exposures": 500,
            "subjects": 500,
            "conversions": buyers,
            "value": pytest.approx(buyers / 100),
            "sum": pytest.approx(buyers * 5),
        }
        for key, is_control, buyers in (("a", True, 200), ("b", False, 300))
    ]
    assert (found["metric"], found["kind"]) == ("revenue", "sum")
    assert found["unreadableFiles"] == 0


def test_unreadable_files__of_a_finding__are_counted() -> None:
    places = {f"date=2026-11-0{day}/1-1.parquet": "cut" for day in (1, 2)}
    finding = Finding(
        code=FindingCode.UNREADABLE_FILE,
        severity=Severity.WARNS,
        summary="",
        advice="",
        evidence=places,
    )
    assert unreadable_files((finding,)) == 2
    assert unreadable_files(()) == 0


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("hero/results?as_of=yesterday", 400, "invalid_fields", "write a day, as in"),
        (
            "hero/results?as_of=2026-01-02T03:04:05.678901Z",
            400,
            "invalid_fields",
            "or write at most three decimals of a second, as in 2026-01-02T03:04:05.678Z",
        ),
        (
            "hero/results?as_of=2023-12-15",
            400,
            "invalid_fields",
            "is yet to come; it is",
        ),
        (
            "hero/results?as_of=2023-01-01",
            400,
            "as_of_before_start",
            "it started at 2023-11-14T22:13:20.000Z",
        ),
        ("hero/results?segment=plan", 400, "invalid_segment", "did you mean properties.plan?"),
        ("hero/results?segment=url", 400, "invalid_segment", "write device, source"),
        ("heros/results", 404, "unknown_experiment", "did you mean hero?"),
        ("draft/results", 409, "not_started", "start it first"),
        (
            "hero/aggregate?metric=revenu",
            404,
            "unknown_metric",
            "hero: no metric 'revenu'; did you",
        ),
    ],
)
def test_results__that_cannot_be__are_refused(
    bench: ControlBench, path: str, status: int, code: str, words: str
) -> None:
    answer = bench.get(f"/api/v1/orgs/default/projects/default/experiments/{path}", "reader")
    assert (answer.status, answer.json["code"]) == (status, code), answer.json
    assert words in answer.json["detail"]


def test_drop_looks__by_the_scope_write_with_a_reason__is_in_the_next_result(
    tmp_path: Path,
) -> None:
    with control_bench(tmp_path, None, events_dir=tmp_path / "events") as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        _plant(bench, tmp_path / "events")
        bench.clock.now_ms = NOW_MS + 30 * DAY_MS
        path, body = f"{PATH}/drop-looks", {"reason": "half an import"}
        nothing = bench.post(path, body)
        assert (nothing.status, nothing.json["code"]) == (409, "nothing_to_drop")
        result(bench)
        assert bench.post(path, body, "reader").status == 403
        assert [bench.post(path, each).status for each in ({}, {"reason": ""})] == [400, 400]
        assert bench.post(path.replace("hero", "heros"), body).status == 404
        assert bench.call("POST", path, body, If_Match='"9"').status == 412
        dropped = bench.post(path, body)
        assert (dropped.status, dropped.json) == (
            200,
            {
                "experiment": "hero",
                "looks": 10,
                "caps": ["revenue"],
                "at": "2023-12-14T22:13:20.000Z",
            },
        )
        (noted,) = result(bench, "?as_of=2023-12-13")["findings"]
        assert (noted["code"], noted["severity"]) == ("looks_dropped", "notes")
        assert noted["summary"].endswith(": half an import.")
