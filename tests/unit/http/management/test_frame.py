"""What all routes of the control plane share, tried on those of the API keys."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from fairlot.http.management.callers import LOCAL_ACTOR
from fairlot.service.actors import Actor, Scope
from fairlot.store import StoreFailed
from fairlot.store.tables import api_keys, audit_records, idempotent_replies
from support.asgi import AsgiClient, exchange
from support.control import ControlBench, control_bench
from support.serving import NOW_MS

KEYS = "/api/v1/orgs/default/keys"
ASKED = {"scopes": ["read"]}
DAY_MS = 86_400_000


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def count_keys(bench: ControlBench) -> int:
    with bench.store.reading() as connection:
        return len(connection.execute(select(api_keys.c.id)).all())


@pytest.mark.parametrize(
    ("key", "path", "status", "code"),
    [
        (None, KEYS, 401, "unauthorized"),
        ("reader", KEYS, 403, "forbidden"),
        ("staging", KEYS, 403, "forbidden"),
        ("rival", KEYS, 404, "not_found"),
        ("rival", "/api/v1/orgs/nobody/keys", 404, "not_found"),
        ("admin", "/api/v1/orgs/nobody/keys", 404, "not_found"),
    ],
)
def test_frame__caller_that_may_not__is_refused(
    bench: ControlBench, key: str | None, path: str, status: int, code: str
) -> None:
    before = count_keys(bench)
    for answer in (bench.get(path, key), bench.post(path, ASKED, key)):
        assert (answer.status, answer.json["code"]) == (status, code)
    assert count_keys(bench) == before


def test_frame__foreign_and_absent_organization__answer_alike(bench: ControlBench) -> None:
    foreign, absent = (bench.get(f"/api/v1/orgs/{org}/keys") for org in ("rival", "nobody"))
    told = absent.json["detail"]
    assert told == "'nobody': no such organization for this key; check its spelling"
    assert foreign.json == {**absent.json, "detail": told.replace("nobody", "rival")}


@pytest.mark.parametrize("place", ["bearer", "basic", "header", "query"])
def test_frame__key_in_each_of_its_places__is_found(bench: ControlBench, place: str) -> None:
    key = bench.keys["admin"]
    name, _, secret = key.partition(".")
    headers, query = {
        "bearer": ({"Authorization": f"Bearer {key}"}, ""),
        "basic": ({"Authorization": f"Basic {basic(name, secret)}"}, ""),
        "header": ({"X_API_Key": key}, ""),
        "query": ({}, f"?apiKey={key}"),
    }[place]
    assert bench.get(KEYS + query, None, **headers).status == 200


def basic(name: str, secret: str) -> str:
    return base64.b64encode(f"{name}:{secret}".encode()).decode()


def test_frame__local_actor__cannot_come_over_http(bench: ControlBench) -> None:
    for name in (LOCAL_ACTOR, "fairlot-actor", "x-fairlot-actor"):
        assert bench.get(KEYS, None, **{name: "local:root"}).status == 401
    forged = {"extensions": {LOCAL_ACTOR: "local:root"}, "state": {LOCAL_ACTOR: "local:root"}}
    assert call_with(bench.client, LOCAL_ACTOR, "local:root", forged) == 401
    assert call_with(bench.client, LOCAL_ACTOR, Actor("local:x", frozenset(Scope)), {}) == 200


def call_with(client: AsgiClient, name: str, value: object, rest: Mapping[str, object]) -> int:
    scope = {
        "type": "http",
        "method": "GET",
        "raw_path": KEYS.encode(),
        "query_string": b"",
        "headers": [],
        name: value,
        **rest,
    }
    answer = client.run(exchange(client._application, scope, [b""]))
    status: int = answer.status
    return status


def test_frame__query_that_does_not_fit__is_400(bench: ControlBench) -> None:
    for query, told in (
        ("limit=0", "limit"),
        ("limit=201", "200"),
        ("limit=x", "limit"),
        ("limits=5", 'limits: "5": not a field here; did you mean limit?'),
        ("cursor=rubbish", "cursor"),
        ("cursor=%ff", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=", "cursor"),
    ):
        answer = bench.get(f"{KEYS}?{query}")
        assert (answer.status, answer.json["code"]) == (400, "invalid_fields"), query
        assert told in answer.json["detail"]


def test_frame__body_over_64_kib__is_413_before_it_is_parsed(bench: ControlBench) -> None:
    assert bench.post(KEYS, b"{" + b" " * 65_536).status == 413


def test_frame__body_of_files__may_have_4_mib(bench: ControlBench) -> None:
    plan = "/api/v1/orgs/default/projects/default/plan"
    full = b'{"files":[{"path":"a.yaml","text":""}]}'.rjust(4 * 1024 * 1024)
    assert bench.post(plan, full).status == 422  # read, and nothing in it
    assert bench.post(plan, full + b" ").status == 413


def test_frame__tier__is_counted_by_key(tmp_path: Path) -> None:
    with control_bench(tmp_path, None, default_tier="free") as bench:
        statuses = [bench.get(KEYS).status for _ in range(101)]
        assert statuses == [200] * 100 + [429]
        assert bench.get("/api/v1/orgs/rival/keys", "rival").status == 200


def test_frame__use_of_a_key__is_noted(bench: ControlBench) -> None:
    bench.get(KEYS)
    assert bench.services.uses.keys == {bench.keys["admin"][7:15]: NOW_MS}


def test_frame__refused_uses_of_a_key__go_on_record(bench: ControlBench) -> None:
    ending = {**ASKED, "expiresAt": "2023-11-15T00:00:00Z"}
    gone, old = bench.post(KEYS, ASKED).json, bench.post(KEYS, ending).json
    bench.keys |= {"gone": gone["key"], "old": old["key"], "wrong": bench.keys["reader"] + "x"}
    bench.post(f"{KEYS}/{gone['id']}/revoke")
    bench.clock.now_ms = NOW_MS + DAY_MS
    project = "/api/v1/orgs/default/projects/default"
    for key, path in (
        ("wrong", KEYS),
        ("gone", KEYS),
        ("old", KEYS),
        ("reader", KEYS),
        ("staging", project),
        ("staging", KEYS),
        ("rival", KEYS),
    ):
        assert bench.get(path, key).status in (401, 403, 404)
    bench.get(KEYS, None, Authorization="Bearer fx_key_nobody00.secret")
    bench.services.uses.store(bench.store, NOW_MS)
    ids = {name: f"api_key:{text[7:15]}" for name, text in bench.keys.items()}
    assert failed_uses(bench) == {
        ids["reader"]: {"wrong_secret": 1, "lacks_scope": 1},
        ids["gone"]: {"revoked": 1},
        ids["old"]: {"expired": 1},
        ids["staging"]: {"out_of_reach": 2},
        ids["rival"]: {"out_of_reach": 1},
    }


def failed_uses(bench: ControlBench) -> dict[str | None, object]:
    with bench.store.reading() as connection:
        rows = connection.execute(
            select(audit_records).where(audit_records.c.action == "api_key.failed")
        ).all()
    return {row.target: json.loads(row.details) for row in rows}


def test_frame__store_that_fails__is_503_and_changes_nothing(
    bench: ControlBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreFailed(tmp_path, "disk I/O error")

    before = count_keys(bench)
    with monkeypatch.context() as patched:
        patched.setattr("fairlot.http.management.replays.add_reply", fail)
        answer = bench.post(KEYS, ASKED, Idempotency_Key="a")
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert str(tmp_path) not in answer.body.decode()
    assert count_keys(bench) == before


def test_frame__snapshot_that_cannot_follow__does_not_undo_the_change(tmp_path: Path) -> None:
    def fail() -> None:
        raise StoreFailed(tmp_path, "disk I/O error")

    with control_bench(tmp_path, None, after_change=fail) as bench:
        assert bench.post(KEYS, ASKED).status == 201


def test_frame__key_revoked_in_another_worker__changes_nothing_more(bench: ControlBench) -> None:
    made = bench.post(KEYS, {"scopes": ["admin", "read"]}).json
    bench.keys["second"] = made["key"]
    with bench.store.writing() as connection:  # this worker has not heard of it yet
        connection.execute(
            api_keys.update().where(api_keys.c.id == made["id"]).values(revoked_at_ms=NOW_MS)
        )
    before = count_keys(bench)
    answer = bench.post(KEYS, ASKED, "second")
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert count_keys(bench) == before


def test_frame__get_with_the_validators_of_a_cache__is_answered(bench: ControlBench) -> None:
    assert bench.get(KEYS, If_None_Match='W/"7"', If_Match="rubbish").status == 200


def test_pages__walked__give_every_item_once(bench: ControlBench) -> None:
    for _ in range(5):
        bench.post(KEYS, ASKED)
    every = [item["id"] for item in bench.get(KEYS).json["items"]]
    walked: list[str] = []
    cursor = ""
    while cursor is not None:
        page = bench.get(f"{KEYS}?limit=3{cursor and '&cursor=' + cursor}").json
        assert len(page["items"]) <= 3
        walked += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert walked == every
    assert len(every) == 4 + 5


def test_pages__item_inserted_before_the_cursor__moves_nothing(bench: ControlBench) -> None:
    for _ in range(3):
        bench.post(KEYS, ASKED)
    every = [item["id"] for item in bench.get(KEYS).json["items"]]
    first = bench.get(f"{KEYS}?limit=4").json
    with bench.store.writing() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.id == every[0])).one()
        earlier = {**row._mapping, "id": "00000000", "created_at_ms": NOW_MS - 1}
        connection.execute(api_keys.insert().values(**earlier))
    rest = bench.get(f"{KEYS}?limit=4&cursor={first['next']}").json
    assert [item["id"] for item in (*first["items"], *rest["items"])] == every


def test_pages__cursor_of_another_list_or_changed__is_400(bench: ControlBench) -> None:
    bench.post("/api/v1/orgs/rival/keys", ASKED, "rival")
    foreign = bench.get("/api/v1/orgs/rival/keys?limit=1", "rival").json["next"]
    own = bench.get(f"{KEYS}?limit=1").json["next"]
    assert bench.get(f"{KEYS}?cursor={own}").status == 200
    for cursor in (foreign, own[:-4], own[:10] + ("A" if own[10] != "A" else "B") + own[11:]):
        assert bench.get(f"{KEYS}?cursor={cursor}").status == 400


def test_idempotency__same_request__is_answered_alike_and_done_once(bench: ControlBench) -> None:
    before = count_keys(bench)
    first = bench.post(KEYS, ASKED, Idempotency_Key="a")
    again = bench.post(KEYS, ASKED, Idempotency_Key="a")
    assert (again.status, again.body) == (201, first.body)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert count_keys(bench) == before + 1


def test_idempotency__other_request_under_the_key__is_422(bench: ControlBench) -> None:
    first = bench.post(KEYS, ASKED, Idempotency_Key="a").json
    for path, body in (
        (KEYS, {"scopes": ["write"]}),
        (f"{KEYS}/{first['id']}/revoke", ASKED),
    ):
        answer = bench.post(path, body, Idempotency_Key="a")
        assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")
    assert bench.post(KEYS, ASKED, Idempotency_Key="a", If_Match='"1"').status == 422


def test_idempotency__key_of_another_caller__is_another_key(bench: ControlBench) -> None:
    bench.keys["second"] = bench.post(KEYS, {"scopes": ["admin", "read"]}).json["key"]
    mine = bench.post(KEYS, ASKED, Idempotency_Key="a").json
    theirs = bench.post(KEYS, ASKED, "second", Idempotency_Key="a")
    assert theirs.status == 201
    assert theirs.json["id"] != mine["id"]


def test_idempotency__refusal__is_not_kept(bench: ControlBench) -> None:
    wrong = {**ASKED, "projects": ["soon"]}
    assert bench.post(KEYS, wrong, Idempotency_Key="a").status == 404
    assert bench.post(KEYS, ASKED, Idempotency_Key="a").status == 201


def test_idempotency__after_a_day__is_forgotten(bench: ControlBench) -> None:
    first = bench.post(KEYS, ASKED, Idempotency_Key="a").json
    bench.clock.now_ms = NOW_MS + DAY_MS
    assert bench.post(KEYS, ASKED, Idempotency_Key="a").json == first
    bench.clock.now_ms = NOW_MS + DAY_MS + 1
    assert bench.post(KEYS, ASKED, Idempotency_Key="a").json != first


def test_idempotency__kept_reply__is_sealed(bench: ControlBench) -> None:
    made = bench.post(KEYS, ASKED, Idempotency_Key="a").json
    with bench.store.reading() as connection:
        (row,) = connection.execute(select(idempotent_replies)).all()
    assert made["key"].encode() not in row.sealed
    assert made["id"].encode() not in row.sealed


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
def test_idempotency__malformed_key__is_400(bench: ControlBench, key: str) -> None:
    assert bench.post(KEYS, ASKED, Idempotency_Key=key).status == 400


def test_idempotency__same_key_at_the_same_time__is_done_once(bench: ControlBench) -> None:
    before = count_keys(bench)
    requests = [
        bench.client.send(
            "POST",
            KEYS,
            b'{"scopes":["read"]}',
            {"Authorization": f"Bearer {bench.keys['admin']}", "Idempotency-Key": "a"},
        )
        for _ in range(8)
    ]
    answers = bench.client.together(*requests)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert count_keys(bench) == before + 1


def test_frame__work_of_a_call__runs_in_a_thread_of_the_control_plane(tmp_path: Path) -> None:
    names: list[str] = []

    def noting_clock() -> int:
        names.append(threading.current_thread().name)
        return NOW_MS

    with control_bench(
        tmp_path, None, clock_ms=noting_clock, control_threads=ThreadPoolExecutor(1, "control")
    ) as bench:
        assert bench.get(KEYS).status == 200
    authenticating, working = names
    assert authenticating == "MainThread"
    assert working.startswith("control")
