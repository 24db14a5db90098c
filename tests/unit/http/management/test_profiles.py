"""What is known of subjects over HTTP, on both databases."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from fairlot.events import Assignment, derived_event_id
from fairlot.profiles import (
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    KeptAssignment,
    Profile,
    claim_of_source,
    claim_of_subject,
    source_identifier,
    subject_identifier,
)
from fairlot.profiles.records import MAX_IDENTIFIERS
from fairlot.service.profiles import Applied, Step, Work
from fairlot.service.tracking import subject_id_made_of
from fairlot.store.experiments import experiments_of
from fairlot.store.tenants import find_project
from fairlot.warehouse.log import EventLog, read_identities
from fairlot.warehouse.readers import read_assignments_of
from support.applying import apply_texts
from support.control import ControlBench, control_bench
from support.serving import NOW_MS
from unit.warehouse.records import conversion, exposure, identity, received

PROJECT = "/api/v1/orgs/default/projects/default"
PROFILES = f"{PROJECT}/profiles"
HERO = """
key: hero
name: Hero
variants: [{key: blue, name: Blue}, {key: red, name: Red}]
"""


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url, events_dir=tmp_path / "events") as made:
        yield made


def happen(bench: ControlBench, claim: Claim | str, *names: str, **fields: Any) -> Applied:
    who = claim_of_subject(claim) if isinstance(claim, str) else claim
    now_ms = bench.clock.ms()
    happenings = [
        Happening(event_id=derived_event_id(str(who), each), name=each, at_ms=now_ms)
        for each in names
    ]
    with bench.store.reading() as connection:
        project = find_project(connection, "default", "default")
    assert project is not None
    return asyncio.run(
        bench.services.profiles.apply(
            Work(project.id, who, now_ms, happenings=happenings, **fields)
        )
    )


def the_project_id(bench: ControlBench) -> str:
    return bench.services.decisions.snapshot.tenants["default", "default"].project_id


def ids_of_experiments(bench: ControlBench) -> dict[str, str]:
    """By key."""
    with bench.store.reading() as connection:
        rows = experiments_of(connection, the_project_id(bench))
    return {key: row.id for key, row in rows.items()}


@contextmanager
def recording(events_dir: Path) -> Iterator[EventLog]:
    log = EventLog.open(events_dir)
    try:
        yield log
    finally:
        log.close(5)


def given(variant_key: str) -> Step:
    kept = KeptAssignment(
        experiment_key="hero", variant_key=variant_key, manifest_version=1, at_ms=1
    )
    return lambda profile: msgspec.structs.replace(
        profile, assignments={"exp_1": kept}, attributes={"tier": variant_key}
    )


def test_profile__shown_by_any_of_its_ids__is_the_same(bench: ControlBench) -> None:
    odd = "a/ü?%#\u202e"
    happen(bench, claim_of_source("web", "w1", user_id=odd), "view", steps=[given("red")])
    by_device = bench.get(f"{PROFILES}/w1")
    assert by_device.status == 200
    assert bench.get(f"{PROFILES}/{quote(odd, safe='')}").json == by_device.json
    found = by_device.json
    assert (found["subjectId"], found["userId"]) == ("w1", odd)
    assert {"kind": "source", "value": "w1", "source": "web"} in found["identifiers"]
    assert {"kind": "subject", "value": odd, "source": None} in found["identifiers"]
    assert found["attributes"] == {"tier": "red"}
    assert found["assignments"]["exp_1"]["variantKey"] == "red"
    assert found["sessions"]["count"] == 1


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (Identifier(IdentifierKind.EXTERNAL, "Crm-17"), "Crm-17 "),
        (Identifier(IdentifierKind.EMAIL, "ada@x.example"), "Ada@X.example"),
        (Identifier(IdentifierKind.PHONE, "+4930555"), "+49 (30) 5-5.5"),
        (source_identifier("web", "w1"), "w1"),
    ],
)
def test_profile__shown_and_exported_by_a_name__is_that_of_whoever_is_called_so(
    bench: ControlBench, known: Identifier, asked: str
) -> None:
    happen(bench, Claim((subject_identifier("ada"),), ("ada",), also=(known,)))
    path = f"{PROFILES}/{quote(asked, safe='')}"

    shown = bench.get(path)

    assert (shown.status, shown.json["subjectId"]) == (200, "ada")
    assert bench.get(f"{path}/export").json["profile"] == shown.json
    assert shown.json["others"] == []


def test_profile__several_are_called_so__is_whose_subject_id_it_is_and_names_the_others(
    bench: ControlBench,
) -> None:
    name = "17"
    for kind in (IdentifierKind.PHONE, IdentifierKind.EXTERNAL):
        happen(bench, Claim((Identifier(kind, name),), (kind.value,)))
    happen(bench, name)

    shown = bench.get(f"{PROFILES}/{name}").json

    assert (shown["subjectId"], shown["others"]) == (name, ["external", "phone"])
    assert bench.get(f"{PROFILES}/external").json["others"] == []


def test_profile__half_a_surrogate_pair__is_nobody(bench: ControlBench) -> None:
    assert bench.get(f"{PROFILES}/%ED%A0%80").status == 404


def test_profile__nobody__is_404_with_advice(bench: ControlBench) -> None:
    for path in (f"{PROFILES}/nobody", f"{PROFILES}/nobody/export", f"{PROJECT}/accounts/nobody"):
        answer = bench.get(path)
        assert (answer.status, answer.json["code"]) == (404, "not_there")
        assert "check the spelling" in answer.json["detail"]


def test_profiles__more_than_a_page__come_each_once(bench: ControlBench) -> None:
    for each in range(5):
        happen(bench, f"s{each}")
        bench.clock.now_ms += each % 2
    first = bench.get(f"{PROFILES}?limit=2").json
    happen(bench, "s5")
    second = bench.get(f"{PROFILES}?limit=10&cursor={first['next']}").json
    names = [each["subjectId"] for each in (*first["items"], *second["items"])]
    assert sorted(names) == [f"s{each}" for each in range(6)]
    assert second["next"] is None
    assert set(first["items"][0]) == {
        "id",
        "subjectId",
        "userId",
        "accountId",
        "createdAt",
        "lastSeenAt",
    }


def test_profile__exported__holds_history_account_and_log(
    bench: ControlBench, tmp_path: Path
) -> None:
    happen(bench, "v1", "view", "order", account_id="acme", account_attributes={"plan": "pro"})
    happen(bench, claim_of_subject("v1", user_id="anna"), "view")
    happen(bench, "somebody else", "order")
    answer = bench.get(f"{PROFILES}/anna/export")
    assert answer.status == 200
    found = answer.json
    assert found["profile"] == bench.get(f"{PROFILES}/v1").json
    assert found["account"]["attributes"] == {"plan": "pro"}
    assert [each["name"] for each in found["history"]].count("order") == 1
    assert "somebody else" not in answer.body.decode()
    kinds = [(each["kind"], each["subject_id"]) for each in found["events"]]
    assert kinds == [("identity", "v1")]
    assert len(list(read_identities(tmp_path / "events"))) == 1


def test_profile__exported__holds_what_came_with_the_privacy_signal(
    bench: ControlBench, tmp_path: Path
) -> None:
    project_id = bench.services.decisions.snapshot.tenants["default", "default"].project_id
    happened = [
        Happening(event_id="e1", name="order", at_ms=NOW_MS, properties={"gpc": True}),
        Happening(event_id="e2", name="order", at_ms=NOW_MS, properties={"gpc": "text"}),
    ]
    work = Work(project_id, claim_of_subject("v1"), NOW_MS, happenings=happened)
    bench.client.run(bench.services.profiles.apply(work))

    about = {"project_id": project_id, "properties": {"gpc": True}}
    log = EventLog.open(tmp_path / "events")
    log.record_batch(received(conversion("v1", **about), project_id=project_id))
    log.close(5)

    found = bench.get(f"{PROFILES}/v1/export").json

    assert [each["id"] for each in found["history"]] == ["e1", "e2"]
    assert [each["properties"] for each in found["events"]] == [{"gpc": True}]


def test_export__events_without_a_profile__are_all_that_is_recorded(
    bench: ControlBench, tmp_path: Path
) -> None:
    project_id, events_dir = the_project_id(bench), tmp_path / "events"
    about = {"project_id": project_id, "received_at_ms": bench.clock.ms()}
    with recording(events_dir) as log:
        log.record(exposure("ada", **about), None)
        log.record(exposure("phone", unit_id="ada", **about), None)
        log.record(exposure("bob", **about), None)
        log.record_batch(received(identity("laptop", user_id="ada", **about)))
        log.record(exposure("carl", project_id="prj_2"), None)

    answer = bench.get(f"{PROFILES}/ada/export")

    assert answer.status == 200, answer.body
    found = answer.json
    assert (found["profile"], found["account"], found["history"]) == (None, None, [])
    assert [(each["kind"], each["subject_id"]) for each in found["events"]] == [
        ("exposure", "ada"),
        ("exposure", "phone"),
        ("identity", "laptop"),
    ]
    for path in (f"{PROFILES}/ada", f"{PROFILES}/carl/export", f"{PROFILES}/%ED%A0%80/export"):
        assert bench.get(path).status == 404
    assert bench.call("DELETE", f"{PROFILES}/ada").json["profiles"] == 0
    assert bench.get(f"{PROFILES}/ada/export").status == 404


def test_export__events_under_the_id_made_of_an_address__are_found_by_it(
    bench: ControlBench, tmp_path: Path
) -> None:
    project_id = the_project_id(bench)
    made = subject_id_made_of(project_id, Identifier(IdentifierKind.EMAIL, "ada@x.example"))
    with recording(tmp_path / "events") as log:
        log.record(exposure(made, project_id=project_id), None)

    found = bench.get(f"{PROFILES}/Ada@x.example/export").json

    assert [each["subject_id"] for each in found["events"]] == [made]


def test_export__others_are_called_so__has_none_of_their_events(
    bench: ControlBench, tmp_path: Path
) -> None:
    project_id = the_project_id(bench)
    made = subject_id_made_of(project_id, Identifier(IdentifierKind.PHONE, "17"))
    happen(bench, Claim((Identifier(IdentifierKind.PHONE, "17"),), (made,)))
    happen(bench, "17")
    with recording(tmp_path / "events") as log:
        for subject_id in ("17", made):
            log.record(exposure(subject_id, project_id=project_id), None)

    found = bench.get(f"{PROFILES}/17/export").json

    assert found["profile"]["others"] == [made]
    kinds = [each["subject_id"] for each in found["events"] if each["kind"] == "exposure"]
    assert kinds == ["17"]


@pytest.mark.parametrize("kind", [IdentifierKind.EXTERNAL, IdentifierKind.PHONE])
def test_export__by_the_id_of_a_subject_without_a_profile__has_nothing_of_others_called_so(
    bench: ControlBench, tmp_path: Path, kind: IdentifierKind
) -> None:
    project_id = the_project_id(bench)
    happen(bench, Claim((Identifier(kind, "900"),), ("stranger",)), "view")
    about = {"project_id": project_id, "received_at_ms": bench.clock.ms()}
    with recording(tmp_path / "events") as log:
        for subject_id in ("900", "stranger"):
            log.record(exposure(subject_id, **about), None)

    found = bench.get(f"{PROFILES}/900/export").json

    assert (found["profile"], found["history"]) == (None, [])
    assert [each["subject_id"] for each in found["events"]] == ["900"]
    deleted = bench.call("DELETE", f"{PROFILES}/900").json
    assert (deleted["profiles"], deleted["others"]) == (0, ["stranger"])
    assert bench.get(f"{PROFILES}/900/export").status == 404
    assert bench.get(f"{PROFILES}/stranger/export").json["profile"]["subjectId"] == "stranger"


def test_export__assignments_of_the_event_log__are_those_of_its_ids_in_this_project(
    bench: ControlBench, tmp_path: Path
) -> None:
    apply_texts(bench.store, HERO, now_ms=NOW_MS)
    hero = ids_of_experiments(bench)["hero"]
    happen(bench, claim_of_subject("phone", user_id="anna"), steps=[given("red")])
    given_out = [
        Assignment(hero, "hero", "anna", "blue", 1, NOW_MS + 1),
        Assignment(hero, "hero", "phone", "red", 1, NOW_MS),
        Assignment(hero, "hero", "bob", "red", 1, NOW_MS),
        Assignment("of another project", "hero", "anna", "red", 1, NOW_MS),
    ]
    with recording(tmp_path / "events") as one, recording(tmp_path / "events") as other:
        one.record_all([], given_out)
        other.record_all([], given_out[:1])

    found = bench.get(f"{PROFILES}/anna/export").json

    assert found["profile"]["assignments"]["exp_1"]["variantKey"] == "red"
    remembered = [(each["unitId"], each["variantKey"]) for each in found["assignments"]]
    assert remembered == [("phone", "red"), ("anna", "blue")]
    assert found["assignments"][0]["experimentId"] == hero
    alone = bench.get(f"{PROFILES}/bob/export").json
    assert (alone["profile"], alone["events"]) == (None, [])
    assert [each["unitId"] for each in alone["assignments"]] == ["bob"]


def test_user__with_the_id_of_an_account__takes_nothing_of_its_members(
    bench: ControlBench, tmp_path: Path
) -> None:
    team = HERO.replace("hero", "team") + "unit: account\n"
    holdout = "kind: holdout\nkey: quiet\nrate: 0.1\n"
    apply_texts(bench.store, HERO, team, holdout, now_ms=NOW_MS)
    ids = {**ids_of_experiments(bench), "holdout.quiet": "holdout.quiet"}
    about = {"project_id": the_project_id(bench), "received_at_ms": bench.clock.ms()}
    with recording(tmp_path / "events") as log:
        for key, experiment_id in ids.items():
            drawn = {"experiment_id": experiment_id, "experiment_key": key, "unit_id": "17"}
            log.record(exposure("ann", **drawn, **about), None)
        log.record_all([], [Assignment(ids["team"], "team", "17", "blue", 1, NOW_MS)])

    found = bench.get(f"{PROFILES}/17/export").json
    assert [each["experiment_key"] for each in found["events"]] == ["hero"]
    assert found["assignments"] == []
    assert bench.call("DELETE", f"{PROFILES}/17").json["complete"]
    assert bench.get(f"{PROFILES}/17/export").status == 404
    left = bench.get(f"{PROFILES}/ann/export").json["events"]
    assert {each["experiment_key"] for each in left} == {"team", "holdout.quiet"}
    everything = {ids["team"]}
    assert len(read_assignments_of(tmp_path / "events", everything, {"17"})) == 1


def test_profile__export__needs_admin(bench: ControlBench) -> None:
    happen(bench, "v1")
    assert bench.get(f"{PROFILES}/v1", "reader").status == 200
    assert bench.get(f"{PROFILES}/v1/export", "reader").status == 403


def test_merge__two_with_different_variants__tells_who_switched(
    bench: ControlBench, tmp_path: Path
) -> None:
    happen(bench, "phone", steps=[given("red")])
    bench.clock.now_ms += 1000
    happen(bench, "laptop", steps=[given("blue")])
    answer = bench.post(f"{PROFILES}/merge", {"subject": "laptop", "other": "phone"})
    assert answer.status == 200, answer.body
    done = answer.json
    assert done["profile"]["subjectId"] == "phone"
    assert done["merged"] == ["laptop"]
    assert done["switched"] == [
        {
            "experimentId": "exp_1",
            "experimentKey": "hero",
            "fromVariant": "blue",
            "toVariant": "red",
        }
    ]
    assert bench.get(f"{PROFILES}/laptop").json == done["profile"]
    (told,) = read_identities(tmp_path / "events")
    assert (told.subject_id, told.user_id) == ("laptop", "phone")
    again = bench.post(f"{PROFILES}/merge", {"subject": "laptop", "other": "phone"}).json
    assert (again["merged"], again["switched"]) == ([], [])
    first = bench.get("/api/v1/orgs/default/audit").json["items"]
    (record, _) = [each for each in first if each["action"] == "profile.merge"]
    assert "laptop" not in str(record)
    assert "phone" not in str(record)


def test_merge__other_is_nobody__is_another_name(bench: ControlBench) -> None:
    happen(bench, "anna")
    done = bench.post(f"{PROFILES}/merge", {"subject": "anna", "other": "ann"}).json
    assert done["merged"] == []
    assert bench.get(f"{PROFILES}/ann").json["subjectId"] == "anna"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"subject": "nobody", "other": "anna"}, 404, "not_there"),
        ({"subject": "", "other": "anna"}, 400, "invalid"),
        ({"subject": "anna"}, 400, "invalid"),
        ({"subject": "anna", "other": "nul\0"}, 400, "profile_change_refused"),
        ({"subject": "anna", "other": "x" * 401}, 400, "invalid"),
    ],
)
def test_merge__bad_question__is_refused(
    bench: ControlBench, body: dict[str, str], status: int, code: str
) -> None:
    happen(bench, "anna")
    answer = bench.post(f"{PROFILES}/merge", body)
    assert answer.status == status, answer.body
    assert code in answer.json["code"]


def test_merge__of_two_with_many_names__is_refused(bench: ControlBench) -> None:
    for name in ("a", "b"):
        more = (Identifier(IdentifierKind.EXTERNAL, f"{name}{n}") for n in range(MAX_IDENTIFIERS))
        claim = Claim((subject_identifier(name),), (name,), also=tuple(more))
        happen(bench, claim)
    answer = bench.post(f"{PROFILES}/merge", {"subject": "a", "other": "b"})
    assert answer.status == 400
    assert "too many identifiers" in answer.json["detail"]


def test_account__put__replaces_and_is_shown(bench: ControlBench) -> None:
    happen(bench, "anna", account_id="acme", account_attributes={"plan": "pro", "seats": 3})
    account = f"{PROJECT}/accounts/acme"
    assert bench.get(account).json["attributes"] == {"plan": "pro", "seats": 3}
    put = bench.call("PUT", account, {"attributes": {"plan": "team"}})
    assert put.status == 200
    assert bench.get(account).json == put.json
    assert put.json["attributes"] == {"plan": "team"}
    large = bench.call("PUT", account, {"attributes": {"bio": "x" * 70_000}})
    assert large.status == 400
    assert "over 65536 bytes" in large.json["detail"]
    assert bench.get(account).json == put.json
    assert bench.call("PUT", account, {"attributes": {}}).json["attributes"] == {}


def test_profiles__of_another_project__are_not_there(bench: ControlBench) -> None:
    applied = happen(bench, "anna")
    assert isinstance(applied.profile, Profile)
    other = "/api/v1/orgs/default/projects/staging/profiles"
    assert bench.get(f"{other}/anna").status == 404
    assert bench.get(other).json["items"] == []
