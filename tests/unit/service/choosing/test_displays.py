"""What is shown once is shown exactly once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import Experiment
from fairlot.service.snapshot import Snapshot
from support.choosing import LAPTOP, ChooseBench, a_choosing_snapshot, choose_bench
from support.serving import a_project, a_variant, an_experiment

ONE = (a_variant("only", weight=10_000, payload=1), a_variant("none", weight=0))
EXPERIMENTS = (
    an_experiment("always", variants=ONE),
    an_experiment("once", variants=ONE, display="once"),
    an_experiment("visit", variants=ONE, display="once_per_visit"),
)


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, *EXPERIMENTS, database_url=database_url) as made:
        yield made


def test_once__asked_again__is_spent_in_every_session(bench: ChooseBench) -> None:
    assert bench.choose(names=["once"], sessionId="s1") == {"once": 1}
    for session in ("s1", "s2", None):
        assert bench.choose(names=["once"], sessionId=session) == {}
    assert bench.choose(LAPTOP, names=["once"]) == {"once": 1}
    assert len(bench.exposures()) == 2


def test_once_per_visit__another_session__is_served_again(bench: ChooseBench) -> None:
    served = [
        bench.choose(names=["visit"], sessionId=session)
        for session in ("s1", "s1", "s2", "s2", "s1")
    ]
    assert served == [{"visit": 1}, {}, {"visit": 1}, {}, {"visit": 1}]


def test_once_per_visit__no_session_given__all_requests_are_one_visit(bench: ChooseBench) -> None:
    assert bench.choose(names=["visit"]) == {"visit": 1}
    assert bench.choose(names=["visit"]) == {}
    assert bench.choose(names=["visit"], sessionId="default") == {}
    assert bench.choose(names=["visit"], sessionId="s1") == {"visit": 1}


def test_display__not_tracked__is_not_used_up(bench: ChooseBench) -> None:
    asked: dict[str, Any] = {"names": ["once"], "trackExposure": False}
    assert bench.choose(**asked) == bench.choose(**asked) == {"once": 1}
    assert bench.choose(names=["once"]) == {"once": 1}
    assert bench.choose(**asked) == {}


def test_display__everything_asked_for__all_are_used_up(bench: ChooseBench) -> None:
    assert bench.choose() == {"always": 1, "once": 1, "visit": 1}
    assert bench.choose() == {"always": 1}


def test_display__always__is_noted_once_a_session(bench: ChooseBench) -> None:
    for session in ("s1", "s1", "s2"):
        bench.choose(names=["always"], sessionId=session)
        bench.profile("p1")
    profile = bench.profile("p1")
    assert profile is not None
    assert (profile.displays["exp_always"].count, len(bench.exposures())) == (2, 3)
    assert profile.displays["exp_always"].session_id == "s2"


def test_display__always_before__is_spent_when_it_becomes_once(bench: ChooseBench) -> None:
    bench.choose(names=["always"])
    bench.profile("p1")
    bench.desk.publish(changed(an_experiment("always", variants=ONE, display="once")))
    assert bench.choose(names=["always"]) == {}


def changed(*experiments: Experiment) -> Snapshot:
    return replace(a_choosing_snapshot(a_project(*experiments, version=4)), generation=2)


def test_once__two_workers_asked_at_once__one_serves_it(
    tmp_path: Path, database_url: str | None
) -> None:
    with (
        choose_bench(tmp_path, *EXPERIMENTS, database_url=database_url) as one,
        choose_bench(tmp_path, *EXPERIMENTS, database_url=database_url) as other,
        ThreadPoolExecutor(2) as threads,
    ):
        people = [{"sourceId": "app", "profileId": f"p{n}"} for n in range(25)]
        for person in people:
            one.choose(person, names=[])
            other.choose(person, names=[])

        def ask(bench: ChooseBench) -> list[int]:
            return [len(bench.choose(each, names=["once", "visit"])) for each in people]

        served = list(threads.map(ask, (one, other)))
        assert [sum(each) for each in zip(*served, strict=True)] == [2] * len(people)
        assert len(one.exposures()) == 50


def test_once__many_requests_at_once_of_one_worker__one_serves_it(bench: ChooseBench) -> None:
    bench.choose(names=[])
    answers = bench.together(20, names=["once"])
    assert sum(len(each) for each in answers) == 1
