"""What a token that pages hold may and may not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.events import Actor, Trust
from fairlot.http.throttle import FREE, Policy
from fairlot.profiles import subject_identifier
from support.asgi import Response
from support.serving import Desk, a_desk
from support.tracking import (
    JSON,
    PAGE,
    PUBLIC,
    a_snapshot_with_sources,
    conversions,
    history,
    identify,
    page,
    post,
    track,
    visitor,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot_with_sources()) as desk:
        yield desk


def test_page__of_an_allowed_origin__is_recorded_as_public(desk: Desk) -> None:
    answer = page(desk, "track", userProperties={"plan": "pro"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    assert [each.trust for each in conversions(desk)] == [Trust.PUBLIC]
    assert visitor(desk).attributes == {"plan": "pro"}


def test_page__what_is_known__is_not_changed_by_anyone(desk: Desk) -> None:
    identify(desk, userId="v_1", userProperties={"plan": "free"})
    page(desk, "track", userProperties={"plan": "pro", "city": "Graz"})
    assert visitor(desk).attributes == {"plan": "free", "city": "Graz"}
    identify(desk, userId="v_1", userProperties={"city": "Linz"})
    assert visitor(desk).attributes == {"plan": "free", "city": "Linz"}


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://shop.example"])
def test_page__of_another_origin__is_unauthorized(desk: Desk, origin: str | None) -> None:
    answer = page(desk, "track", origin)
    assert answer.status == 401
    assert answer.json["error"].startswith("token: only pages of its allowed origins may use it")
    assert "access-control-allow-origin" not in answer.headers
    assert conversions(desk) == []


@pytest.mark.parametrize(
    "fields", [{"externalId": "crm-1"}, {"email": "a@shop.example"}, {"userId": None}]
)
@pytest.mark.parametrize("route", ["track", "identify"])
def test_page__names_somebody_by_a_look_up__is_refused(
    desk: Desk, route: str, fields: dict[str, Any]
) -> None:
    answer = page(desk, route, userProperties={}, **fields)
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert (
        "a token that pages hold names visitors by userId only, since anyone can send with it"
        in (answer.json["error"])
    )


def test_page__email_among_the_properties__names_nobody(desk: Desk) -> None:
    page(desk, "identify", userProperties={"email": "a@shop.example", "phone_number": "1"})
    assert visitor(desk).identifiers == (subject_identifier("v_1"),)
    assert visitor(desk).attributes["email"] == "a@shop.example"


def test_page__body_over_64_kib__is_too_large_for_it(desk: Desk) -> None:
    answer = page(desk, "track", eventProperties={"a": "x" * 65_536})
    assert (answer.status, answer.json["limit"]) == (413, 65_536)
    assert answer.json["error"] == (
        "the body is over 65536 bytes, which a page may send; send less"
    )


def test_page__program_that_asks__is_a_bot(desk: Desk) -> None:
    body = {"token": PUBLIC, "event": "seen", "userId": "v_1"}
    post(desk, "track", body, origin=PAGE, user_agent="curl/8.0")
    assert [each.actor for each in conversions(desk)] == [Actor.BOT]


def test_page__one_address__is_throttled_and_others_are_not(tmp_path: Path) -> None:
    policy = Policy("address", 1, 2)
    snapshot = a_snapshot_with_sources()
    with a_desk(tmp_path, snapshot, address_policy=policy) as desk:
        body = msgspec.json.encode({"token": PUBLIC, "event": "seen", "userId": "v_1"})

        def from_address(address: str) -> Response:
            headers = {"origin": PAGE, "content_type": JSON}
            return desk.client.request(
                "POST", "/api/v1/track", body, headers=headers, address=address
            )

        answers = [from_address("198.51.100.7") for _ in range(3)]
        assert [each.status for each in answers] == [200, 200, 429]
        assert answers[2].headers["access-control-allow-origin"] == PAGE
        assert answers[2].headers["access-control-expose-headers"] == "Retry-After"
        assert from_address("198.51.100.8").status == 200
        assert track(desk).status == 200


@pytest.mark.parametrize("route", ["track", "identify", "batch"])
def test_preflight__of_an_allowed_origin__may_post(desk: Desk, route: str) -> None:
    answer = desk.client.request(
        "OPTIONS",
        f"/api/v1/{route}",
        headers={
            "origin": PAGE,
            "access_control_request_method": "POST",
            "access_control_request_headers": "content-type, x-stainless-lang",
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {
        "access-control-allow-origin": PAGE,
        "access-control-expose-headers": "Retry-After",
        "vary": "Origin",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, x-stainless-lang",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("asked", [None, "x" * 1001, "a b", "a: b"])
def test_preflight__header_names_that_are_none__are_not_repeated(
    desk: Desk, asked: str | None
) -> None:
    headers = {"origin": PAGE}
    if asked is not None:
        headers["access_control_request_headers"] = asked
    answer = desk.client.request("OPTIONS", "/api/v1/track", headers=headers)
    assert answer.headers["access-control-allow-headers"] == "content-type"


def test_preflight__of_another_origin__may_not(desk: Desk) -> None:
    for headers in ({"origin": "https://evil.example"}, {}):
        answer = desk.client.request("OPTIONS", "/api/v1/track", headers=headers)
        assert (answer.status, answer.headers) == (204, {"vary": "Origin"})


def test_page__over_the_tier__leaves_servers_theirs(tmp_path: Path) -> None:
    with a_desk(tmp_path, a_snapshot_with_sources(), default_tier="free") as desk:
        statuses = [page(desk, "track").status for _ in range(FREE.burst + 1)]
        assert statuses[-1] == 429
        assert track(desk).status == 200


def test_page__same_distinct_id_as_a_server__suppresses_nothing(desk: Desk) -> None:
    fields = {"distinctId": "order-7"}
    assert page(desk, "track", event="paid", **fields).status == 200
    assert page(desk, "track", event="paid", **fields).status == 200
    assert track(desk, **fields, eventProperties={"value": 5}).status == 200
    assert [(each.trust, each.value) for each in conversions(desk)] == [
        (Trust.PUBLIC, None),
        (Trust.SERVER, 5.0),
    ]
    assert len(history(desk, "paid")) == 2


def test_page__that_fills_the_attributes__keeps_no_server_row_from_being_recorded(
    desk: Desk,
) -> None:
    full = {f"k{each}": "x" * 2000 for each in range(25)}
    for start in range(2):
        named = {f"{start}{name}": value for name, value in full.items()}
        assert page(desk, "track", userProperties=named).status == 200
    assert track(desk, userProperties={"bio": "x" * 2000}).status == 200
    assert len(history(desk, "paid")) == 1
    assert "bio" not in visitor(desk).attributes
