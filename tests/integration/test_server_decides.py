"""What only the server decides: over real workers, and what an SDK says of it."""

import json
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client, Reason
from fairlot.events import new_event_id
from fairlot.manifest.base64url import from_base64url
from support.batches import a_batch, conversion_row
from support.processes import ServerProcess, ask, fairlot, get, published, serving

pytestmark = pytest.mark.slow

WORKERS = 2
CONNECTIONS = 20
"""So many that both workers have some: the kernel deals them."""
EVENTS = "/api/v1/orgs/default/projects/default/events"
FILES = """\
kind: segment
key: buyers
history: [{event: order, where: {value: {$gte: 50}}, count: 2, within: 30d}]
---
key: thanks
name: Thanks
audience: {segments: [buyers]}
variants: [{key: a, name: A}, {key: b, name: B}]
---
key: help
name: Help
type: personalization
when: {event: looked, count: 2, within: 1h}
controlShare: 0
variants: [{key: call, name: Call us}]
---
key: plain
name: Plain
variants: [{key: a, name: A}, {key: b, name: B}]
"""


@pytest.fixture
def variables(database_url: str | None) -> dict[str, Any]:
    return {} if database_url is None else {"FAIRLOT_DATABASE_URL": database_url}


def happen(server: ServerProcess, key: str, seq: int, name: str, value: float | None) -> None:
    """To anna, acknowledged."""
    now_ms = time.time_ns() // 1_000_000
    row = conversion_row(new_event_id(now_ms), at=now_ms, event_name=name, value=value)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("POST", EVENTS, json.dumps(a_batch(row, batch_seq=seq)), headers)
        assert connection.getresponse().status == 200


def variants(server: ServerProcess, token: str, key: str, visitor: str = "anna") -> set[str | None]:
    """Of one question over each of many new connections."""
    found = set()
    for _ in range(CONNECTIONS):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            status, answer = ask(connection, key, token, visitor)
            assert status == 200
            found.add(answer.get("variant_key"))
    return found


def settled(server: ServerProcess, token: str, key: str) -> str | None:
    """What both workers come to answer."""
    give_up_at = time.monotonic() + 20
    found = variants(server, token, key)
    while found == {None} or len(found) > 1:
        assert time.monotonic() < give_up_at, f"the workers answer {found}"
        found = variants(server, token, key)
    return found.pop()


def test_history__of_conversions_that_are_posted__decides_on_every_worker(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    experiments, data = tmp_path / "experiments", tmp_path / "data"
    experiments.mkdir()
    (experiments / "all.yaml").write_text(FILES, "utf-8")
    token = published(data, experiments, **variables)
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data), **variables)["key"]
    with serving(data, workers=WORKERS, **variables) as server:
        happen(server, key, 1, "order", 50.0)
        happen(server, key, 2, "order", 49.0)
        happen(server, key, 3, "looked", None)
        assert variants(server, token, "thanks") == {None}
        assert variants(server, token, "help") == {None}
        happen(server, key, 4, "order", 51.0)
        happen(server, key, 5, "looked", None)
        assert settled(server, token, "thanks") in {"a", "b"}
        assert settled(server, token, "help") == "call"
        assert variants(server, token, "thanks", "bert") == {None}
        served = get(server, "/v1/default/manifest.json")[1]
        with Client(f"{server.url}/v1/default/manifest.json") as client:
            answers = {name: client.treatment(name, "anna") for name in ("thanks", "help", "plain")}
    assert answers["plain"].reason is Reason.BUCKET
    for name in ("thanks", "help"):
        assert (answers[name].reason, answers[name].variant_key) == (Reason.SERVER_ONLY, None)
    payload = from_base64url(json.loads(served)["payload"])
    assert b'"thanks"' in payload
    assert b"order" not in payload and b"looked" not in payload
