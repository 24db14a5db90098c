from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from fairlot.profiles import (
    Claim,
    Identifier,
    IdentifierKind,
    claim_of_source,
    claim_of_subject,
    source_identifier,
    subject_identifier,
)
from fairlot.service.profiles import Work
from fairlot.warehouse.whose import Whose
from support.control import ControlBench, control_bench
from support.traces import traces_in, traces_in_database

PATH = "/api/v1/orgs/default/projects/default/profiles"
NAME = "ada lovelace/é"
IN_PATH = "ada%20lovelace%2F%C3%A9"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def the_project_id(bench: ControlBench) -> str:
    return bench.services.decisions.snapshot.tenants["default", "default"].project_id


def know(bench: ControlBench, claim: Claim) -> None:
    bench.client.run(bench.services.profiles.apply(Work(the_project_id(bench), claim, 0)))


def known_by_source_alone(device: str, user_id: str) -> Claim:
    """As of a device whose id had been another subject's when it came."""
    user = subject_identifier(user_id)
    return Claim((source_identifier("web", device),), names=(user,), user_id=user_id)


def traces(directory: Path, database_url: str | None, text: str) -> set[str]:
    found = traces_in(directory, text)
    return found if database_url is None else found | traces_in_database(database_url, text)


def test_delete__a_known_subject__is_gone_and_on_record_without_its_name(
    bench: ControlBench,
) -> None:
    know(bench, claim_of_subject(NAME))

    answer = bench.call("DELETE", f"{PATH}/{IN_PATH}")

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json
    assert (found["found"], found["profiles"], found["others"]) == (True, 1, [])
    assert (found["complete"], found["left"]) == (True, [])
    path = "/api/v1/orgs/default/audit?action=profile.delete"
    (record,) = bench.get(path).json["items"]
    assert record["target"] == f"deletion:{found['id']}"
    assert record["project"] == "default"
    assert set(record["details"]) == {"salt", "sha256"}
    assert "lovelace" not in str(record)


def test_delete__again_or_of_nobody__is_answered_the_same(bench: ControlBench) -> None:
    for _ in range(2):
        answer = bench.call("DELETE", f"{PATH}/nobody")
        assert answer.status == 200
        found = {name: answer.json[name] for name in ("found", "profiles", "complete")}
        assert found == {"found": False, "profiles": 0, "complete": True}


@pytest.mark.parametrize(
    ("kind", "kept", "asked"),
    [
        (IdentifierKind.EXTERNAL, "Crm-5f2e-77", " Crm-5f2e-77"),
        (IdentifierKind.EMAIL, "only-mail-zz9@x.example", "Only-Mail-ZZ9@X.example"),
        (IdentifierKind.PHONE, "+4930555017723", "+49 (30) 555-017.723"),
    ],
)
def test_delete__by_a_name_as_somebody_would_write_it__removes_it_from_every_file(
    bench: ControlBench,
    tmp_path: Path,
    database_url: str | None,
    kind: IdentifierKind,
    kept: str,
    asked: str,
) -> None:
    know(bench, Claim((Identifier(kind, kept),), ("made-for-it",)))
    assert traces(tmp_path, database_url, kept)

    deleted = bench.call("DELETE", f"{PATH}/{quote(asked, safe='')}").json

    assert (deleted["found"], deleted["complete"]) == (True, True)
    assert traces(tmp_path, database_url, kept) == set()
    assert bench.get(f"{PATH}/made-for-it").status == 404


def test_delete__by_the_anonymous_id_of_a_source_alone__removes_whoever_has_it(
    bench: ControlBench, tmp_path: Path, database_url: str | None
) -> None:
    device = 'device "7c1f"\\ü'
    know(bench, claim_of_subject("anna", user_id="anna"))
    know(bench, known_by_source_alone(device, "anna"))
    know(bench, claim_of_source("web", "device"))

    deleted = bench.call("DELETE", f"{PATH}/{quote(device, safe='')}").json

    assert (deleted["profiles"], deleted["complete"]) == (1, True)
    assert traces(tmp_path, database_url, "7c1f") == set()
    assert bench.get(f"{PATH}/anna").status == 404
    assert bench.get(f"{PATH}/device").status == 200


def test_delete__a_subject_whose_id_a_source_gave_to_another__leaves_and_names_the_other(
    bench: ControlBench,
) -> None:
    """As of a site with one cookie, where track knows a user by what Choose knows a device by."""
    know(bench, claim_of_subject("q", user_id="q"))
    know(bench, claim_of_source("web", "q"))
    shown = bench.get(f"{PATH}/q").json
    assert (shown["subjectId"], shown["others"]) == ("q", ["web.q"])

    deleted = bench.call("DELETE", f"{PATH}/q").json

    assert (deleted["profiles"], deleted["others"]) == (1, ["web.q"])
    assert bench.get(f"{PATH}/web.q").status == 200
    again = bench.call("DELETE", f"{PATH}/q").json
    assert (again["found"], again["others"]) == (False, ["web.q"])


def test_delete__an_address_that_is_an_anonymous_id_too__deletes_whose_address_it_is(
    bench: ControlBench,
) -> None:
    name = "7@x.example"
    know(bench, Claim((Identifier(IdentifierKind.EMAIL, name),), ("ada",)))
    know(bench, claim_of_subject("bo", user_id="bo"))
    know(bench, known_by_source_alone(name, "bo"))

    deleted = bench.call("DELETE", f"{PATH}/{name}").json

    assert (deleted["profiles"], deleted["others"]) == (1, ["bo"])
    assert bench.get(f"{PATH}/ada").status == 404
    assert bench.get(f"{PATH}/bo").status == 200


def test_delete__a_subject_whose_id_is_a_strangers_number__leaves_the_stranger(
    bench: ControlBench, tmp_path: Path, database_url: str | None
) -> None:
    name = "49-30-555"
    know(bench, claim_of_subject(name))
    know(bench, Claim((Identifier(IdentifierKind.PHONE, "4930555"),), ("bo",)))
    know(bench, Claim((Identifier(IdentifierKind.EXTERNAL, name),), ("cy",)))

    deleted = bench.call("DELETE", f"{PATH}/{name}").json

    assert (deleted["found"], deleted["profiles"], deleted["complete"]) == (True, 1, True)
    assert sorted(deleted["others"]) == ["bo", "cy"]
    assert bench.get(f"{PATH}/bo").status == 200
    again = bench.call("DELETE", f"{PATH}/{name}").json
    assert (again["found"], sorted(again["others"])) == (False, ["bo", "cy"])
    assert bench.get(f"{PATH}/bo").status == 200
    assert bench.get(f"{PATH}/cy").status == 200


@pytest.mark.parametrize("kind", [IdentifierKind.EMAIL, IdentifierKind.SOURCE])
def test_delete__two_people_have_the_name__is_refused_and_names_them(
    bench: ControlBench, kind: IdentifierKind
) -> None:
    name = "of-two@x.example"
    if kind is IdentifierKind.SOURCE:
        know(bench, Claim((source_identifier("web", name),), ("ada",)))
        know(bench, Claim((source_identifier("app", name),), ("bo",)))
    else:
        know(bench, Claim((Identifier(kind, name),), ("ada",)))
        know(bench, Claim((Identifier(IdentifierKind.EXTERNAL, name),), ("bo",)))

    answer = bench.call("DELETE", f"{PATH}/{name}")

    assert (answer.status, answer.json["code"]) == (409, "several_called_so")
    subject_ids = answer.json["subjects"]
    assert len(subject_ids) == 2
    assert all(each in answer.json["detail"] for each in subject_ids)
    for each in subject_ids:
        assert bench.get(f"{PATH}/{quote(each, safe='')}").status == 200
    assert bench.get("/api/v1/orgs/default/audit?action=profile.delete").json["items"] == []
    assert bench.call("DELETE", f"{PATH}/{quote(subject_ids[0], safe='')}").json["profiles"] == 1
    assert bench.call("DELETE", f"{PATH}/{name}").json["profiles"] == 1
    assert bench.get(f"{PATH}/{quote(subject_ids[1], safe='')}").status == 404


def test_delete__by_a_name_again__deletes_who_has_it_now(bench: ControlBench) -> None:
    mail = Identifier(IdentifierKind.EMAIL, "ada@x.example")
    for subject_id in ("first", "second"):
        know(bench, Claim((mail,), (subject_id,)))
        assert bench.call("DELETE", f"{PATH}/Ada@x.example").json["profiles"] == 1
        assert bench.get(f"{PATH}/{subject_id}").status == 404


def test_delete__others_are_called_so__reads_events_and_holds_no_lock(
    bench: ControlBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def events_of(_events_dir: Path, _project_id: str, whose: Whose) -> Iterator[object]:
        read.extend(whose.ids)
        with bench.store.writing():  # waits in vain where the deletion holds it
            return iter(())

    monkeypatch.setattr("fairlot.service.privacy.whom.read_events_of", events_of)
    know(bench, Claim((Identifier(IdentifierKind.EMAIL, "ada@x.example"),), ("ada",)))

    for name in ("nobody", "ada@x.example", "ada"):
        assert bench.call("DELETE", f"{PATH}/{name}").status == 200

    assert read == ["ada@x.example"]


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("reader", PATH, 403),
        (None, PATH, 401),
        ("staging", PATH, 404),
        ("rival", PATH, 404),
        ("admin", "/api/v1/orgs/default/projects/gone/profiles", 404),
        ("admin", "/api/v1/orgs/rival/projects/default/profiles", 404),
    ],
)
def test_delete__without_leave__deletes_nothing(
    bench: ControlBench, key: str | None, path: str, status: int
) -> None:
    know(bench, claim_of_subject("ada"))

    assert bench.call("DELETE", f"{path}/ada", key=key).status == status

    assert bench.call("DELETE", f"{PATH}/ada").json["found"]
