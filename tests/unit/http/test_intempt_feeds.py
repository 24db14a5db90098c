"""Intempt's feeds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.service.feeds import KnownFeeds, read_product
from support.choosing import KEY, PATH, PHONE, ChooseBench, choose_bench
from support.serving import an_experiment

PRODUCTS = [{"id": f"x{n}", "title": f"Shoe {n}", "price": f"{n}.0"} for n in range(5)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, an_experiment("even")) as made:
        feeds = made.desk.services.feeds
        assert isinstance(feeds, KnownFeeds)
        incoming = [read_product(msgspec.json.encode(each)) for each in PRODUCTS]
        feeds.put_now("prj_default", incoming)
        made.refresh_feeds()
        yield made


def products(bench: ChooseBench, feed: str = "newest", **fields: Any) -> list[Any]:
    answer = bench.call(f"/feeds/{feed}/data", fields)
    assert answer.status == 200, answer.body
    found: list[Any] = answer.json["products"]
    return found


def test_feed__for_a_profile__fields_limit_and_offset(bench: ChooseBench) -> None:
    everything = products(bench, **PHONE, fields=["id"])
    assert sorted(each["id"] for each in everything) == [f"x{n}" for n in range(5)]
    assert products(bench, **PHONE, fields=["id"], limit=2, offset=1) == everything[1:3]
    assert products(bench, **PHONE, fields=["price"], limit=1)[0].keys() == {"price"}
    assert products(bench, **PHONE, fields=[], limit=1)[0].keys() == {"id", "title", "price"}
    assert products(bench, **PHONE, limit=0) == []


def test_feed__what_is_looked_at__is_left_out(bench: ChooseBench) -> None:
    found = products(bench, **PHONE, fields=["id"], productId="x1")
    assert {"id": "x1"} not in found
    assert len(found) == 4


def test_recently_viewed__of_user_profile_and_flat_profile(bench: ChooseBench) -> None:
    body = {
        "track": [
            {
                "name": "Product viewed",
                "payload": [{"profileId": "p1", "userId": "anna", "data": {"productId": "x3"}}],
            }
        ]
    }
    assert bench.call("/sources/app/track", body).status == 201
    for who in (
        PHONE,
        {"id": "anna", "type": "USER"},
        {"id": "anna", "type": "user", "sourceId": "any"},
        {"id": "p1", "type": "PROFILE", "sourceId": "app"},
    ):
        assert products(bench, "recently_viewed", **who, fields=["id"], limit=1) == [{"id": "x3"}]


def test_account__known__is_recommended_what_everybody_is(bench: ChooseBench) -> None:
    row = {"accountId": "acme"}
    bench.call("/track", {"track": [{"name": "Identify", "payload": [row]}]})
    assert len(products(bench, id="acme", type="account", fields=["id"])) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Name is null"),
        ({"type": "USER"}, "Name is null"),
        ({"id": "anna"}, "type is null"),
        ({"id": "anna", "type": "USER"}, "USER with id anna is not found"),
        ({"id": "acme", "type": "account"}, "ACCOUNT with id acme is not found"),
        (
            {"id": "p9", "type": "PROFILE", "sourceId": "app"},
            "PROFILE with id p9 is not found",
        ),
        ({"id": "p9", "type": "PROFILE"}, "sourceId: needed with the type PROFILE"),
        ({"id": "x", "type": "DOG"}, "type: 'DOG' must be USER, PROFILE or ACCOUNT"),
        ({**PHONE, "limit": -1}, "limit: -1 must not be negative"),
        ({**PHONE, "offset": -1}, "offset: -1 must not be negative"),
        (
            {**PHONE, "fields": "id"},
            'fields: "id": write a list',
        ),
    ],
)
def test_request__wrong__400(bench: ChooseBench, fields: dict[str, Any], message: str) -> None:
    answer = bench.call("/feeds/newest/data", fields)
    assert (answer.status, answer.json) == (400, {"errors": [{"message": message}]})


def test_feed__unknown__400(bench: ChooseBench) -> None:
    answer = bench.call("/feeds/nonexistent/data", PHONE)
    assert (answer.status, answer.json) == (
        400,
        {"errors": [{"message": "Invalid feed id: nonexistent"}]},
    )


def test_profiles__damaged__503(bench: ChooseBench, tmp_path: Path) -> None:
    bench.desk.services.feeds.store.close()
    for file in tmp_path.glob("profiles.db*"):
        file.write_bytes(b"damaged" * 4096)
    for kind in ("USER", "ACCOUNT"):
        answer = bench.call("/feeds/newest/data", {"id": "zoe", "type": kind})
        assert answer.status == 503


def test_feeds__listed__with_what_they_need_to_know(bench: ChooseBench) -> None:
    answer = bench.desk.client.get(f"{PATH}/feeds", Authorization=f"Bearer {KEY}")
    assert answer.status == 200
    found = {each["id"]: each["feedInput"] for each in answer.json["feeds"]}
    assert found == {"most_popular": "NO_INPUT", "newest": "NO_INPUT", "recently_viewed": "USER"}
    assert bench.desk.client.get(f"{PATH}/feeds").status == 401
