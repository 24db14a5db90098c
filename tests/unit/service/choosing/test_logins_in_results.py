"""What becomes of people and their devices in the analysis, from the events that Choose records."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairlot.events import Conversion
from fairlot.events.properties import EXCLUDED
from fairlot.events.records import ReceivedBatch
from fairlot.stats.sufficient import ANY_VERSION, Sufficient, View
from fairlot.warehouse.lake.reading import open_lake
from fairlot.warehouse.queries import DuckDbEngine, answer
from support.choosing import ChooseBench, choose_bench
from support.event_tables import ORDERS, phase, question
from support.serving import an_experiment

POLICIES = ("keep", "exclude")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    experiments = (an_experiment(policy, on_login=policy) for policy in POLICIES)
    with choose_bench(tmp_path, *experiments) as made:
        yield made


def devices(bench: ChooseBench, policy: str, variant: str, count: int) -> list[str]:
    """So many that draw the variant, and have seen it."""
    found: list[str] = []
    for number in range(1000):
        name = f"{variant}-{number}"
        drawn = bench.desk.assign(policy, name, track_impression=False).json["variant_key"]
        if drawn == variant:
            see(bench, policy, name)
            found.append(name)
        if len(found) == count:
            return found
    raise AssertionError


def see(bench: ChooseBench, policy: str, name: str, user_id: str | None = None) -> None:
    who = {"sourceId": "web", "profileId": name}
    bench.choose(who if user_id is None else who | {"userId": user_id}, names=[policy])
    bench.pass_time(1000)


def log_in(bench: ChooseBench, name: str, user_id: str) -> None:
    """On a page that asks for nothing."""
    who = {"sourceId": "web", "profileId": name, "userId": user_id}
    bench.choose(who, names=[])
    bench.pass_time(1000)


def buys(bench: ChooseBench, subject_id: str) -> None:
    now_ms = bench.desk.clock.now_ms
    bought = Conversion(f"buy-{now_ms}", "prj_default", subject_id, "purchase", 1.0, now_ms, now_ms)
    (batch,) = ReceivedBatch.of_server((), [bought], (), now_ms)
    bench.desk.log.record_batch(batch)
    bench.pass_time(1000)


def analysed(bench: ChooseBench, policy: str, started_at_ms: int) -> Sufficient:
    bench.exposures()  # waits until all is on disk
    asked = replace(
        question(ORDERS, phases=(phase(0, 0, ANY_VERSION, "control", "bold"),)),
        project_id="prj_default",
        experiment_id=f"exp_{policy}",
        experiment_key=policy,
        started_at_ms=started_at_ms,
        as_of_ms=bench.desk.clock.now_ms,
        view=View.SO_FAR,
        leaves_on_login=policy == "exclude",
    )
    with open_lake(bench.desk.events_dir, "prj_default", threads=1) as lake:
        return answer(DuckDbEngine(lake.connection), asked)


def exposed(found: Sufficient) -> dict[str, int]:
    return {row.variant_key: row.exposed for row in found.rows}


def left_out(found: Sufficient) -> set[tuple[str, str, int]]:
    return {(each.variant_key, each.exclusion.value, each.subjects) for each in found.excluded}


def orders(found: Sufficient) -> dict[str, float]:
    arms = {row.variant_key: row.metrics["orders"].moments for row in found.rows}
    return {key: round(moments.means[0] * moments.n, 9) for key, moments in arms.items()}


@pytest.mark.parametrize("first", ["older", "younger"])
@pytest.mark.parametrize("asks_again", [True, False])
def test_second_device__had_another_variant__the_person_is_left_out_of_both(
    bench: ChooseBench, first: str, asks_again: bool
) -> None:
    started_at_ms = bench.desk.clock.now_ms
    (older, stays), (younger, other) = (
        devices(bench, "keep", variant, 2) for variant in ("control", "bold")
    )
    for name in (older, younger) if first == "older" else (younger, older):
        log_in(bench, name, "anna")
        if asks_again:
            see(bench, "keep", name)
    for subject_id in ("anna", stays, other):
        buys(bench, subject_id)
    found = analysed(bench, "keep", started_at_ms)
    why = "switched" if asks_again else "several_variants"
    assert left_out(found) == {("control", why, 1), ("bold", why, 1)}
    assert exposed(found) == {"control": 1, "bold": 1}
    assert orders(found) == {"control": 1, "bold": 1}


@pytest.mark.parametrize("first", [0, 1])
def test_second_device__had_the_same_variant__is_one_person_with_all_that_it_buys(
    bench: ChooseBench, first: int
) -> None:
    started_at_ms = bench.desk.clock.now_ms
    names = devices(bench, "keep", "control", 2)
    buys(bench, "anna")
    for name in (names[first], names[1 - first]):
        log_in(bench, name, "anna")
        buys(bench, name)
    buys(bench, "anna")
    found = analysed(bench, "keep", started_at_ms)
    assert (exposed(found), left_out(found)) == ({"control": 1}, set())
    assert orders(found) == {"control": 4}


def test_exclude__login_where_nothing_is_asked_for__leaves_the_analysis(bench: ChooseBench) -> None:
    started_at_ms = bench.desk.clock.now_ms
    _, leaves = devices(bench, "exclude", "control", 2)
    (comes_back,) = devices(bench, "exclude", "bold", 1)
    see(bench, "exclude", "logged-in", "ben")
    log_in(bench, leaves, "anna")
    log_in(bench, comes_back, "cleo")
    see(bench, "exclude", comes_back)
    marked = [
        each.subject_id for each in bench.exposures() if (each.properties or {}).get(EXCLUDED)
    ]
    assert set(marked) == {comes_back}
    found = analysed(bench, "exclude", started_at_ms)
    assert left_out(found) == {
        ("control", "excluded_on_login", 1),
        ("bold", "excluded_on_login", 1),
    }
    assert sum(exposed(found).values()) == 2  # who stays, and who was logged in from the start
