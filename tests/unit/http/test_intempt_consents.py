"""Intempt's consents: stored and honoured."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.profiles.consents import MAX_CATEGORIES, MAX_CATEGORY_CHARS
from support.choosing import PHONE, ChooseBench, choose_bench
from support.serving import NOW_MS, an_experiment

CONSENTS = "/consents/data"
REJECT = {**PHONE, "action": "reject", "source": "web", "validUntil": "unlimited"}
ACCEPT = {**REJECT, "action": "accept"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, an_experiment("even")) as made:
        yield made


def say(bench: ChooseBench, **fields: Any) -> None:
    answer = bench.call(CONSENTS, fields)
    assert answer.status == 200, answer.body
    assert answer.body == b"{}"


def test_reject__then_accept__is_honoured(bench: ChooseBench) -> None:
    say(bench, **REJECT)
    assert list(bench.choose()) == ["even"]
    assert bench.exposures() == []
    bench.pass_time(1)
    say(bench, **{**REJECT, "action": "accept"})
    bench.choose()
    assert len(bench.exposures()) == 1


def test_reject__valid_for_a_time__ends(bench: ChooseBench) -> None:
    say(bench, **{**REJECT, "validUntil": NOW_MS + 1000})
    bench.choose()
    bench.pass_time(1000)
    bench.choose()
    assert len(bench.exposures()) == 1


def test_user_id__nobody_knows__is_made_so_that_it_is_honoured(bench: ChooseBench) -> None:
    say(bench, action="reject", userId="anna")
    bench.choose({**PHONE, "userId": "anna"})
    assert bench.exposures() == []


@pytest.mark.parametrize(
    ("timestamp", "at_ms"),
    [
        (NOW_MS - 5000, NOW_MS - 5000),
        ((NOW_MS - 5000) // 1000, NOW_MS - 5000),
        (None, NOW_MS),
        (1_262_303_999, NOW_MS),
        (NOW_MS + 300_001, NOW_MS),
        (0, NOW_MS),
        (-5, NOW_MS),
        (1e300, NOW_MS),
    ],
)
def test_timestamp__seconds_or_ms__or_now(bench: ChooseBench, timestamp: Any, at_ms: int) -> None:
    say(bench, **REJECT, timestamp=timestamp)
    profile = bench.profile("p1")
    assert profile is not None
    (consent,) = profile.consents.values()
    assert (consent.at_ms, consent.accepted, consent.source) == (at_ms, False, "web")


def test_accept__in_the_second_of_the_reject__takes_it_back(bench: ChooseBench) -> None:
    bench.pass_time(300)
    second = bench.desk.clock.now_ms // 1000
    say(bench, **REJECT, timestamp=second)
    bench.pass_time(200)
    assert bench.desk.clock.now_ms // 1000 == second
    say(bench, **{**REJECT, "action": "accept"}, timestamp=second)
    bench.choose()
    assert len(bench.exposures()) == 1


@pytest.mark.parametrize(
    ("valid_until", "until_ms"),
    [
        ("unlimited", None),
        (None, None),
        (2_000_000_000, 2_000_000_000_000),
        (2_000_000_000_000, 2_000_000_000_000),
    ],
)
def test_valid_until__seconds_ms_or_unlimited(
    bench: ChooseBench, valid_until: Any, until_ms: int | None
) -> None:
    say(bench, **{**REJECT, "validUntil": valid_until}, category="ads", reason="x", email="a@b.c")
    profile = bench.profile("p1")
    assert profile is not None
    assert profile.consents["ads"].valid_until_ms == until_ms


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({**REJECT, "action": "maybe"}, 'action: "maybe": write one of accept, reject'),
        ({**PHONE}, "action: missing; write one of accept, reject"),
        ({"action": "accept"}, "send sourceId together with profileId, or userId"),
        (
            {"action": "accept", "profileId": "p1"},
            "send sourceId together with profileId, or userId",
        ),
        ({**REJECT, "validUntil": "soon"}, "validUntil: 'soon' must be a number, or 'unlimited'"),
    ],
)
def test_consent__wrong__400(bench: ChooseBench, fields: dict[str, Any], message: str) -> None:
    answer = bench.call(CONSENTS, fields)
    assert answer.status == 400
    assert answer.json["errors"][0]["message"].startswith(message)


def test_categories__one_too_many__is_refused_if_it_accepts_and_kept_if_it_rejects(
    bench: ChooseBench,
) -> None:
    for number in range(MAX_CATEGORIES):
        say(bench, **ACCEPT, category=f"c{number}")
    answer = bench.call(CONSENTS, {**ACCEPT, "category": "new"})
    assert answer.status == 400
    assert answer.json["errors"][0]["message"] == (
        "category: 'new': this subject has answered in 100 others; use one of those, or leave it"
        " out: the answer is then about everything"
    )
    say(bench, **ACCEPT, category="c0")
    say(bench, **REJECT, category="new")
    assert list(bench.choose()) == ["even"]
    assert bench.exposures() == []
    bench.pass_time(1)
    say(bench, **ACCEPT)
    profile = bench.profile("p1")
    assert profile is not None
    assert profile.consents.keys() == {""}


def test_category__too_long__400_with_its_length(bench: ChooseBench) -> None:
    say(bench, **ACCEPT, category="c" * MAX_CATEGORY_CHARS)
    answer = bench.call(CONSENTS, {**ACCEPT, "category": "c" * (MAX_CATEGORY_CHARS + 1)})
    assert answer.status == 400
    assert answer.json["errors"][0]["message"] == (
        f"category: '{'c' * 76}... has 101 characters; send at most 100"
    )


def test_profiles__closed__503(bench: ChooseBench) -> None:
    bench.desk.services.profiles.close(5)
    answer = bench.call(CONSENTS, REJECT)
    assert answer.status == 503
    assert "errors" in answer.json
