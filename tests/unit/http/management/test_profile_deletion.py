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
)
from fairlot.service.profiles import Work
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
    assert found == {"id": found["id"], "found": True, "profiles": 1, "complete": True, "left": []}
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
    know(bench, claim_of_source("web", device, user_id="anna"))
    know(bench, claim_of_source("web", "device"))

    deleted = bench.call("DELETE", f"{PATH}/{quote(device, safe='')}").json

    assert (deleted["profiles"], deleted["complete"]) == (1, True)
    assert traces(tmp_path, database_url, "7c1f") == set()
    assert bench.get(f"{PATH}/anna").status == 404
    assert bench.get(f"{PATH}/device").status == 200


def test_delete__several_are_called_so__deletes_all_of_them_and_says_so(
    bench: ControlBench, tmp_path: Path, database_url: str | None
) -> None:
    name = "17-5f2e-of-two"
    know(bench, claim_of_subject(name))
    know(bench, Claim((Identifier(IdentifierKind.EXTERNAL, name),), ("bo",)))
    know(bench, claim_of_subject("cy"))
    assert traces(tmp_path, database_url, name)

    deleted = bench.call("DELETE", f"{PATH}/{name}").json

    assert (deleted["found"], deleted["profiles"], deleted["complete"]) == (True, 2, True)
    assert traces(tmp_path, database_url, name) == set()
    assert bench.get(f"{PATH}/bo").status == 404
    assert bench.get(f"{PATH}/cy").status == 200


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
