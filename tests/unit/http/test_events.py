import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.events import Trust
from fairlot.events.sent import SentBatch, SentConversion, SentExposure, SentIdentity
from fairlot.http.api.health import figures
from fairlot.warehouse.log import read_conversions, read_exposures, read_identities, read_senders
from support.asgi import Response
from support.batches import a_batch, conversion_row, exposure_row, identity_row
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    Desk,
    a_desk,
    a_project,
    a_snapshot,
    an_api_key,
    an_experiment,
)
from support.waiting import wait_for

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "events.md"
PATH = "/api/v1/orgs/default/projects/default/events"
KEYS = {
    "ingest00": an_api_key("ingest"),
    "ingest01": an_api_key("ingest"),
    "reader00": an_api_key("read", "admin", "write"),
    "foreign0": an_api_key("ingest", org="other"),
    "scoped00": an_api_key("ingest", project_ids=frozenset({"prj_default"})),
    "expired0": an_api_key("ingest", expires_at_ms=NOW_MS),
    "revoked0": an_api_key("ingest", revoked=True),
}


def key_of(name: str) -> str:
    return f"fx_key_{name}.{KEY_SECRET}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    snapshot = a_snapshot(
        a_project(an_experiment()), a_project(an_experiment(), project="other"), api_keys=KEYS
    )
    with a_desk(tmp_path, snapshot) as desk:
        yield desk


def post(desk: Desk, body: Any, key: str = "ingest00", path: str = PATH) -> Response:
    return desk.client.post(path, body, authorization=f"Bearer {key_of(key)}")


def test_post_events__good_batch__is_on_disk_when_answered(desk: Desk) -> None:
    rows = exposure_row("a"), conversion_row("b", value=9.5), identity_row("c")
    answer = post(desk, a_batch(*rows, source="sdk-python", batch_seq=2, events_before=1))
    assert (answer.status, answer.json) == (200, {"accepted": 3, "rejected": []})
    assert answer.headers["cache-control"] == "no-store"
    (exposure,) = read_exposures(desk.events_dir)
    assert (exposure.project_id, exposure.trust) == ("prj_default", Trust.SERVER)
    assert (exposure.source, exposure.sender_id, exposure.batch_seq) == (
        "sdk-python",
        "sender-1",
        2,
    )
    assert exposure.received_at_ms == NOW_MS
    assert [each.value for each in read_conversions(desk.events_dir)] == [9.5]
    assert [each.user_id for each in read_identities(desk.events_dir)] == ["user-1"]
    (sender,) = read_senders(desk.events_dir)
    assert (sender.missing_batches, sender.lost_events) == (1, 1)


def test_post_events__some_rows_bad__are_listed_and_the_others_recorded(desk: Desk) -> None:
    rows = conversion_row("a"), conversion_row("b", value="9"), exposure_row("c", reason="preview")
    answer = post(desk, a_batch(*rows))
    assert answer.status == 207
    assert answer.json == {
        "accepted": 1,
        "rejected": [
            {
                "index": 1,
                "event_id": "b",
                "field": "value",
                "detail": "'9': must be a finite number (no NaN, no infinity)",
            },
            {
                "index": 2,
                "event_id": "c",
                "field": "reason",
                "detail": "'preview': previews are not recorded; do not send them",
            },
        ],
    }
    assert len(list(read_conversions(desk.events_dir))) == 1
    assert list(read_exposures(desk.events_dir)) == []


def test_post_events__empty_batch__is_taken(desk: Desk) -> None:
    assert post(desk, a_batch(dropped_total=3)).json == {"accepted": 0, "rejected": []}
    (sender,) = read_senders(desk.events_dir)
    assert (sender.batches, sender.dropped) == (1, 3)


def test_post_events__sent_again__counts_once(desk: Desk) -> None:
    batch = a_batch(exposure_row(), conversion_row("mine"))
    assert [post(desk, batch).json["accepted"] for _ in range(2)] == [2, 2]
    assert len(list(read_exposures(desk.events_dir))) == 1
    assert len(list(read_conversions(desk.events_dir))) == 1
    (sender,) = read_senders(desk.events_dir)
    assert (sender.batches, sender.events, sender.repeated_batches) == (1, 2, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {key_of('ingest00')}"},
        {"authorization": "bearer " + key_of("scoped00")},
        {"x_api_key": key_of("ingest00")},
        {
            "authorization": "Basic "
            + base64.b64encode(f"fx_key_ingest00:{KEY_SECRET}".encode()).decode()
        },
    ],
)
def test_post_events__any_way_of_sending_the_key__is_taken(
    desk: Desk, headers: dict[str, str]
) -> None:
    assert desk.client.post(PATH, a_batch(), **headers).status == 200


@pytest.mark.parametrize("key", ["nobody00", "expired0", "revoked0"])
def test_post_events__bad_key__is_401(desk: Desk, key: str) -> None:
    answer = post(desk, a_batch(), key)
    assert (answer.status, answer.json["code"]) == (401, "unauthorized")
    assert post(desk, b"rubbish", key, "/api/v1/orgs/x/projects/y/events").status == 401


def test_post_events__no_key__is_401(desk: Desk) -> None:
    assert desk.client.post(PATH, a_batch()).status == 401


@pytest.mark.parametrize(
    ("key", "project"),
    [
        ("ingest00", "default/projects/nothing"),
        ("ingest00", "nothing/projects/default"),
        ("ingest00", "default/projects/%64efaul%74%00"),
        ("foreign0", "default/projects/default"),
        ("scoped00", "default/projects/other"),
    ],
)
def test_post_events__project_that_is_not_there_for_the_key__is_404(
    desk: Desk, key: str, project: str
) -> None:
    answer = post(desk, a_batch(), key, f"/api/v1/orgs/{project}/events")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_post_events__key_without_the_scope__is_403_and_says_which(desk: Desk) -> None:
    answer = post(desk, a_batch(), "reader00")
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert "scope ingest" in answer.json["detail"]


def test_post_events__key_used__is_noted(desk: Desk) -> None:
    post(desk, a_batch())
    assert desk.services.uses.keys == {"ingest00": NOW_MS}


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", "malformed_json", "not valid JSON"),
        (b"[]", "malformed_json", "must be a JSON object"),
        (b'{"events": []}', "invalid_fields", "sender_id: absent"),
        (a_batch(events=None), "invalid_fields", "events: absent"),
    ],
)
def test_post_events__no_batch__is_400(desk: Desk, body: Any, code: str, words: str) -> None:
    answer = post(desk, body)
    assert (answer.status, answer.json["code"]) == (400, code)
    assert words in answer.json["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert list(read_senders(desk.events_dir)) == []


def test_post_events__just_under_a_mebibyte__is_taken(desk: Desk) -> None:
    body = json.dumps(a_batch(conversion_row())).encode()
    assert post(desk, body.ljust(1 << 20)).status == 200
    answer = post(desk, body.ljust((1 << 20) + 1))
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_post_events__too_many_events__are_413(desk: Desk) -> None:
    answer = post(desk, a_batch(*(conversion_row(f"{at}") for at in range(1001))))
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert "at most 1000" in answer.json["detail"]


def test_post_events__other_method__is_405(desk: Desk) -> None:
    assert desk.client.get(PATH).status == 405


def test_post_events__tier_of_the_project__throttles_each_key(tmp_path: Path) -> None:
    snapshot = a_snapshot(a_project(an_experiment(), tier="free"), api_keys=KEYS)
    with a_desk(tmp_path, snapshot) as desk:
        statuses = [post(desk, a_batch()).status for _ in range(101)]
        assert statuses == [200] * 100 + [429]
        refused = post(desk, a_batch())
        assert refused.headers["retry-after"] == "1"
        assert post(desk, a_batch(), "ingest01").status == 200


def test_post_events__log_closed__is_503_and_may_be_sent_again(desk: Desk) -> None:
    desk.log.close(5)
    answer = post(desk, a_batch(conversion_row()))
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert list(read_conversions(desk.events_dir)) == []


def test_post_events__disk_full__is_503_until_there_is_room(desk: Desk) -> None:
    desk.log.cap_pages(1)  # the cap holds from the next time that the file is opened
    desk.log._file.reopen(damaged=False)
    rows = [conversion_row(f"{at}", properties={"a": "x" * 8000}) for at in range(100)]
    batch = a_batch(*rows)
    answer = post(desk, batch)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert list(read_conversions(desk.events_dir)) == []
    assert post(desk, a_batch(conversion_row("later"), batch_seq=2)).status == 503
    desk.log.cap_pages(None)
    wait_for(lambda: desk.log.usable)
    assert post(desk, batch).status == 200
    assert len(list(read_conversions(desk.events_dir))) == 100
    assert desk.services.counts.event_batches_refused == 2


def test_post_events__project_without_a_manifest__is_taken(tmp_path: Path) -> None:
    snapshot = replace(a_snapshot(a_project(), api_keys=KEYS), projects={}, tokens={})
    with a_desk(tmp_path, snapshot) as desk:
        assert post(desk, a_batch(conversion_row())).status == 200


def test_metrics__events__are_counted(desk: Desk) -> None:
    good = a_batch(exposure_row("a"), exposure_row("b"), identity_row("c"), 5)
    post(desk, good)
    post(desk, good)
    samples = figures(desk.services)
    assert samples["fairlot_events_total", (("kind", "exposure"),)] == 4
    assert samples["fairlot_events_total", (("kind", "identity"),)] == 2
    assert samples["fairlot_events_rejected_total", ()] == 2
    assert samples["fairlot_event_batches_repeated_total", ()] == 1
    assert samples["fairlot_event_batches_refused_total", ()] == 0


def test_page__example__is_answered_as_it_says(desk: Desk) -> None:
    text = PAGE.read_text("utf-8")
    body, exposure = re.findall(r"-d '(\{.*?\n  \})'", text, re.DOTALL)
    (shown,) = re.findall(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert PATH in text
    answer = post(desk, body.encode())
    assert (answer.status, answer.json) == (207, json.loads(shown))
    assert post(desk, exposure.encode()).json == {"accepted": 1, "rejected": []}


@pytest.mark.parametrize("kind", [SentBatch, SentExposure, SentConversion, SentIdentity])
def test_page__every_field__is_there(kind: type[msgspec.Struct]) -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert set(kind.__struct_fields__) <= named
