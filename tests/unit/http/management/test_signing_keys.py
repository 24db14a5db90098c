"""Signing keys over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control import ControlBench, control_bench
from support.serving import NOW_MS

KEYS = "/api/v1/orgs/default/signing-keys"
DAY_MS = 86_400_000


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def do(bench: ControlBench, verb: str, **fields: Any) -> Any:
    answer = bench.post(f"{KEYS}/{verb}", fields)
    assert answer.status == 200, answer.body
    return answer.json


def states(bench: ControlBench) -> dict[str, str]:
    return {item["kid"]: item["state"] for item in bench.get(KEYS).json["items"]}


def kid_of(bench: ControlBench, state: str) -> str:
    (found,) = [kid for kid, each in states(bench).items() if each == state]
    return found


def test_signing_keys__list__tells_states_and_times_and_no_private_part(
    bench: ControlBench,
) -> None:
    answer = bench.get(KEYS)
    upcoming = next(item for item in answer.json["items"] if item["state"] == "next")
    assert upcoming | {"kid": ""} == {
        "kid": "",
        "state": "next",
        "createdAt": "2023-11-14T22:13:20.000Z",
        "announcedAt": "2023-11-14T22:13:20.000Z",
        "stateAt": None,
    }
    assert b"sealed" not in answer.body


def test_rotate__a_day_later__promotes_the_next_key_and_publishes(bench: ControlBench) -> None:
    before = states(bench)
    bench.clock.now_ms = NOW_MS + DAY_MS
    change = do(bench, "rotate")
    assert change["changed"]
    assert change["versions"] == {"default": 1, "staging": 0}
    assert change["warnings"] == []
    after = states(bench)
    old, new = (next(k for k, s in before.items() if s == state) for state in ("current", "next"))
    assert (after[old], after[new]) == ("retiring", "current")
    served = {key["kid"] for key in bench.get("/.well-known/jwks/default").json["keys"]}
    assert served == set(after)


def test_rotate__too_early__is_409_with_the_time(bench: ControlBench) -> None:
    answer = bench.post(KEYS + "/rotate", {})
    assert (answer.status, answer.json["code"]) == (409, "too_early")
    assert answer.json["readyAt"] == "2023-11-15T22:13:20.000Z"


def test_rotate__forced_and_forced_again__is_409_that_names_the_key(bench: ControlBench) -> None:
    assert do(bench, "rotate", force=True)["warnings"]
    upcoming = kid_of(bench, "next")
    answer = bench.post(KEYS + "/rotate", {"force": True})
    assert (answer.status, answer.json["code"]) == (409, "rotated_moments_ago")
    assert answer.json["next"] == upcoming
    assert do(bench, "rotate", force=True, to=upcoming)["changed"]


def test_rotate__to_an_unknown_key__is_409(bench: ControlBench) -> None:
    answer = bench.post(KEYS + "/rotate", {"to": "nonsense"})
    assert (answer.status, answer.json["code"]) == (409, "not_the_next_signing_key")


def test_rotate__with_a_wait_in_hours__waits_for_that(bench: ControlBench) -> None:
    bench.clock.now_ms = NOW_MS + 3_600_000
    assert bench.post(KEYS + "/rotate", {"waitHours": 2}).status == 409
    assert do(bench, "rotate", waitHours=1)["changed"]


def test_retire__after_a_rotation__takes_the_old_key_out_of_the_key_set(
    bench: ControlBench,
) -> None:
    old = kid_of(bench, "current")
    assert not do(bench, "retire")["changed"]
    do(bench, "rotate", force=True)
    assert bench.post(KEYS + "/retire", {}).status == 409
    do(bench, "retire", force=True)
    assert states(bench)[old] == "retired"
    served = {key["kid"] for key in bench.get("/.well-known/jwks/default").json["keys"]}
    assert old not in served


def test_announce__with_a_next_key__says_that_nothing_changed(bench: ControlBench) -> None:
    assert not do(bench, "announce")["changed"]


@pytest.mark.parametrize("verb", ["rotate", "retire"])
@pytest.mark.parametrize("body", [{"force": "yes"}, {"waitHours": -1}, {"wait": 1}])
def test_signing_keys__body_that_does_not_fit__is_400(
    bench: ControlBench, verb: str, body: object
) -> None:
    assert bench.post(f"{KEYS}/{verb}", body).status == 400


@pytest.mark.parametrize(("key", "status"), [("reader", 403), ("staging", 403), ("rival", 404)])
@pytest.mark.parametrize("verb", ["", "/announce", "/rotate", "/retire"])
def test_signing_keys__of_others__are_refused(
    bench: ControlBench, verb: str, key: str, status: int
) -> None:
    answer = bench.post(KEYS + verb, key=key) if verb else bench.get(KEYS, key)
    assert answer.status == status
