"""Files with a personalization and a property, applied and served by two workers: what a job posts
activates, what is killed does not."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from support.batches import a_batch, conversion_row
from support.processes import ServerProcess, fairlot, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

PROJECT = "/api/v1/orgs/default/projects/default"
RULES = """
key: offer
name: Offer
type: personalization
when: {event: bought, where: {value: {$gte: 50}}, count: 2, within: 1h}
for: 7d
controlShare: 0
variants: [{key: banner, name: Banner, payload: {text: Thanks}}]
---
kind: property
key: spent
when: {event: bought}
value: value
take: sum
"""


@dataclass(frozen=True)
class Shop:
    """`run` runs commands on its data directory."""

    server: ServerProcess
    token: str
    key: str
    run: Any

    def buy(self, seq: int, subject: str, value: float) -> None:
        row = conversion_row(
            f"order-{seq}",
            subject_id=subject,
            event_name="bought",
            at=time.time_ns() // 1_000_000,
            value=value,
        )
        self.post(f"{PROJECT}/events", a_batch(row, batch_seq=seq), self.key)

    def active(self, subject: str) -> dict[str, Any]:
        body = {"token": self.token, "visitor_id": subject}
        answer: dict[str, Any] = self.post("/api/v1/experiments/personalization", body)
        return answer

    def post(self, path: str, body: Any, key: str | None = None) -> Any:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            assert response.status == 200, content
            return json.loads(content)


@pytest.fixture
def shop(tmp_path: Path, new_database_url: str | None) -> Iterator[Shop]:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "rules.yaml").write_text(RULES, "utf-8")
    data = tmp_path / "data"
    token = published(data, tmp_path / "files", FAIRLOT_DATABASE_URL=new_database_url)
    whole = partial(fairlot, FAIRLOT_DATABASE_URL=new_database_url)

    def run(*words: str) -> Any:
        return whole(*words, "--data", str(data))

    key = run("keys", "create", "--scope", "ingest")["key"]
    with serving(data, workers=2, FAIRLOT_DATABASE_URL=new_database_url) as server:
        yield Shop(server, token, key, run)


def tells(shop: Shop, subject: str, shown: bool, spent: float) -> bool:
    """Twelve times in a row: by both workers."""
    answers = [shop.active(subject) for _ in range(12)]
    return all(
        bool(answer["personalizations"]) is shown and answer["properties"] == {"spent": spent}
        for answer in answers
    )


def test_rules__of_files__are_driven_by_posted_events_until_they_are_killed(shop: Shop) -> None:
    assert [each["key"] for each in shop.run("properties", "list")["properties"]] == ["spent"]
    assert shop.active("ada") == {"success": True, "personalizations": [], "properties": {}}
    shop.buy(1, "ada", 49.5)
    shop.buy(2, "ada", 50)
    shop.buy(3, "ada", 70.25)
    wait_for(lambda: tells(shop, "ada", True, 169.75))
    (shown,) = shop.active("ada")["personalizations"]
    assert (shown["variant_key"], shown["payload"]) == ("banner", {"text": "Thanks"})
    shop.buy(4, "bert", 50)
    shop.run("kill", "offer", "--reason", "too dear")
    wait_for(lambda: shop.server.manifest_versions() == [2, 2])
    wait_for(lambda: tells(shop, "ada", False, 169.75))
    shop.buy(5, "bert", 80)
    wait_for(lambda: tells(shop, "bert", False, 130))
