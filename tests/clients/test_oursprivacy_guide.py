"""The requests of Ours Privacy's guide to server-side experimentation, as they stand there, and the
answers field for field: https://docs.oursprivacy.com/docs/experimentation/server-side"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from support.processes import ServerProcess, fairlot, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

ASSIGNMENT = "/api/v1/experiments/assignments/checkout_redesign"
PERSONALIZATION = "/api/v1/experiments/personalization"
ULID = "[0-9A-HJKMNP-TV-Z]{26}"
EXPERIMENTS = {
    "checkout_redesign": """
key: checkout_redesign
name: Checkout redesign
variants:
  - {key: control, name: Control, weight: 0}
  - {key: treatment, name: Treatment, weight: 10000}
""",
    "pricing": """
key: pricing
name: Only paid visits of the prices
audience:
  urlPatterns: [/pricing]
  queryParams: [{key: utm_source, operator: equals, value: meta}]
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "nobody": """
key: nobody
name: Out of allocation
sampleRate: 0
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "resting": """
key: resting
name: Paused
status: paused
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "unfinished": """
key: unfinished
name: A draft
status: draft
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "offer": """
key: offer
name: Offer
type: personalization
when: {event: viewed_pricing}
controlShare: 0
variants: [{key: call, name: Call us}]
""",
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Guide:
    server: ServerProcess
    token: str
    source: str

    def post(self, path: str, body: Any) -> Answer:
        """With no other header than the guide has."""
        text = body if isinstance(body, str) else json.dumps(body)
        with closing(HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            connection.request("POST", path, text, {"Content-Type": "application/json"})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, json.loads(response.read()))

    def exposures(self, visitor_id: str) -> int:
        words = ("events", "--experiment", "checkout_redesign", "--data")
        found = fairlot(*words, str(self.server.data_dir))["events"]
        return sum(each["subject_id"] == visitor_id for each in found)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guide]:
    root = tmp_path_factory.mktemp("guide")
    experiments = root / "experiments"
    experiments.mkdir()
    for key, text in EXPERIMENTS.items():
        (experiments / f"{key}.yaml").write_text(text)
    token = published(root / "data", experiments)
    words = ("token", "create", "--kind", "source", "--data", str(root / "data"))
    source = fairlot(*words)["token"]
    with serving(root / "data") as server:
        yield Guide(server, token, source)


def test_assignment_recipe__request_and_response__field_for_field(guide: Guide) -> None:
    answer = guide.post(ASSIGNMENT, {"token": guide.token, "visitor_id": "v_123"})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    assert guide.token.startswith("exp_")
    found = answer.json
    assert found["success"] is True
    assert found["in_experiment"] is True
    assert re.fullmatch(f"exp_{ULID}", found["experiment_id"])
    assert found["experiment_key"] == "checkout_redesign"
    assert re.fullmatch(f"var_{ULID}", found["variant_id"])
    assert found["variant_name"] == "Treatment"
    assert found["is_control"] is False
    assert found["type"] == "ab"
    beside = {"experiment_name": "Checkout redesign", "variant_key": "treatment"}
    assert {name: found[name] for name in beside} == beside
    assert len(found) == 8 + len(beside)


CONTEXT = {
    "url": "https://example.com/pricing?utm_source=meta",
    "search": "?utm_source=meta",
}


@pytest.mark.parametrize(
    ("context", "is_in"),
    [
        (CONTEXT, True),
        ({"url": CONTEXT["url"]}, True),
        ({"search": CONTEXT["search"]}, True),
        (None, True),
        ({"url": "https://example.com/other?utm_source=meta"}, False),
        ({"url": "https://example.com/pricing?utm_source=other"}, False),
        ({"search": "?utm_source=other"}, False),
    ],
)
def test_page_context__decides_eligibility_and_never_the_bucket(
    guide: Guide, context: dict[str, str] | None, is_in: bool
) -> None:
    path = ASSIGNMENT.replace("checkout_redesign", "pricing")
    body = {"token": guide.token, "visitor_id": "v_123"}
    plain = guide.post(path, body).json
    assert plain["in_experiment"] is True
    asked = body if context is None else {**body, "context": context}
    answer = guide.post(path, asked)
    assert answer.status == 200
    assert answer.json == (plain if is_in else {"success": True, "in_experiment": False})


def test_assignment__track_impression_false__reads_only(guide: Guide) -> None:
    body = {"token": guide.token, "visitor_id": "v_read", "track_impression": False}
    assert guide.post(ASSIGNMENT, body).json["in_experiment"] is True
    guide.post(ASSIGNMENT, {"token": guide.token, "visitor_id": "v_seen"})
    wait_for(lambda: guide.exposures("v_seen") == 1)
    assert guide.exposures("v_read") == 0


def test_assignment__same_visitor__same_variant(guide: Guide) -> None:
    body = {"token": guide.token, "visitor_id": "v_123"}
    first, second = (guide.post(ASSIGNMENT, body).json for _ in range(2))
    assert first == second


def test_personalization__request_and_response__field_for_field(guide: Guide) -> None:
    asked = {"token": guide.token, "visitor_id": "v_123"}
    assert guide.post(PERSONALIZATION, asked).json == {
        "success": True,
        "personalizations": [],
        "properties": {},
    }
    event = {"token": guide.source, "event": "viewed_pricing", "userId": "v_123"}
    assert guide.post("/api/v1/track", event).json == {"success": True}
    answer = guide.post(PERSONALIZATION, asked)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    (found,) = answer.json["personalizations"]
    assert re.fullmatch(f"exp_{ULID}", found["experiment_id"])
    assert found["experiment_key"] == "offer"
    assert re.fullmatch(f"var_{ULID}", found["variant_id"])
    assert guide.post(PERSONALIZATION, asked).json == answer.json


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("nobody", {"visitor_id": "v_123"}, 200),
        ("resting", {"visitor_id": "v_123"}, 200),
        ("checkout_redesign", "{", 400),
        ("checkout_redesign", {}, 400),
        ("", {"visitor_id": "v_123"}, 400),
        ("checkout_redesign", {"token": None, "visitor_id": "v_123"}, 401),
        ("checkout_redesign", {"token": "exp_abc...", "visitor_id": "v_123"}, 401),
        ("unknown", {"visitor_id": "v_123"}, 404),
        ("unfinished", {"visitor_id": "v_123"}, 404),
    ],
)
def test_failure_modes__status(guide: Guide, key: str, body: Any, status: int) -> None:
    asked = body if isinstance(body, str) else {"token": guide.token, **body}
    answer = guide.post(f"/api/v1/experiments/assignments/{key}", asked)
    assert answer.status == status
    if status == 200:
        assert answer.json == {"success": True, "in_experiment": False}
    else:
        assert answer.json["success"] is False


def test_failure_modes__over_the_tier__429(tmp_path: Path) -> None:
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "a.yaml").write_text(EXPERIMENTS["checkout_redesign"])
    token = published(tmp_path / "data", experiments)
    with serving(tmp_path / "data", FAIRLOT_THROTTLE_TIER="free") as server:
        throttled = Guide(server, token, "")
        body = {"token": token, "visitor_id": "v_123"}
        asked = (throttled.post(ASSIGNMENT, body).status for _ in range(10_000))
        statuses = [next(asked), next(status for status in asked if status != 200)]
    assert statuses == [200, 429]
