from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlot.profiles import claim_of_subject
from fairlot.service.profiles import Work
from support.control import ControlBench, control_bench

PATH = "/api/v1/orgs/default/projects/default/profiles"
NAME = "ada lovelace/é"
IN_PATH = "ada%20lovelace%2F%C3%A9"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as bench:
        yield bench


def the_project_id(bench: ControlBench) -> str:
    return bench.services.decisions.snapshot.tenants["default", "default"].project_id


def test_delete__a_known_subject__is_gone_and_on_record_without_its_name(
    bench: ControlBench,
) -> None:
    work = Work(the_project_id(bench), claim_of_subject(NAME), 0)
    bench.client.run(bench.services.profiles.apply(work))

    answer = bench.call("DELETE", f"{PATH}/{IN_PATH}")

    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json
    assert found == {"id": found["id"], "found": True, "complete": True, "left": []}
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
        assert (answer.json["found"], answer.json["complete"]) == (False, True)


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
    work = Work(the_project_id(bench), claim_of_subject("ada"), 0)
    bench.client.run(bench.services.profiles.apply(work))

    assert bench.call("DELETE", f"{path}/ada", key=key).status == status

    assert bench.call("DELETE", f"{PATH}/ada").json["found"]
