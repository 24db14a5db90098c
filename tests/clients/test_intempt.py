"""The published client `intempt` against `fairlot serve`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from intempt import FlagContext, Intempt, IntemptApiError

from support.processes import ServerProcess, fairlot, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    "headline": "{text: Try our new plan}",
    "enabled": "true",
    "limit": "2.5",
    "color": "red",
    "empty": None,
}
FILES = {
    **{
        key: f"""
key: {key}
name: {key}
variants:
  - {{key: control, name: Control, weight: 0}}
  - {{key: treatment, name: T, weight: 10000{f", payload: {body}" if body else ""}}}
"""
        for key, body in EXPERIMENTS.items()
    },
    "gold": """
key: gold
name: For gold accounts
audience: {rule: {account.plan: gold}}
variants:
  - {key: control, name: Control, weight: 0}
  - {key: treatment, name: Treatment, weight: 10000, payload: gold}
""",
    "pros": """
key: pros
name: For pros
audience: {rule: {tier: pro}}
variants:
  - {key: control, name: Control, weight: 0}
  - {key: treatment, name: Treatment, weight: 10000, payload: pro}
""",
    "visit": """
key: visit
name: Once a visit
display: once_per_visit
variants:
  - {key: control, name: Control, weight: 0}
  - {key: treatment, name: Treatment, weight: 10000, payload: welcome}
""",
    "offer": """
key: offer
name: After a view
type: personalization
when: {event: Product viewed}
controlShare: 0
variants:
  - {key: banner, name: Banner, payload: {text: Come back}}
""",
}


@dataclass
class Shop:
    server: ServerProcess
    key: str

    def client(self, **options: Any) -> Intempt:
        return Intempt(
            **{
                "org": "default",
                "project": "default",
                "api_key": self.key,
                "source_id": "1575686747310551999",
                "host": f"127.0.0.1:{self.server.port}",
                "scheme": "http",
                **options,
            }
        )

    def events(self, kind: str) -> list[dict[str, Any]]:
        words = ("events", "--kind", kind, "--data", str(self.server.data_dir))
        found: list[dict[str, Any]] = fairlot(*words)["events"]
        return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("intempt")
    folder = root / "experiments"
    folder.mkdir()
    for key, text in FILES.items():
        (folder / f"{key}.yaml").write_text(text)
    data = root / "data"
    published(data, folder)
    made = fairlot("keys", "create", "--scope", "decide", "--scope", "ingest", "--data", str(data))
    products = root / "products.json"
    products.write_text(
        json.dumps([{"id": f"x{n}", "title": f"Shoe {n}", "price": f"{n}.0"} for n in range(3)])
    )
    fairlot("products", "import", str(products), "--data", str(data))
    with serving(data) as server:
        yield Shop(server, made["key"])


@pytest.fixture
def client(shop: Shop) -> Iterator[Intempt]:
    with shop.client() as made:
        yield made


def visitor(name: str, **fields: Any) -> FlagContext:
    return FlagContext(profile_id=name, **fields)


def test_variation__served__its_payload_of_every_type(client: Intempt) -> None:
    who = visitor("v1")
    assert client.variation("headline", who, None) == {"text": "Try our new plan"}
    assert client.json_variation("headline", who, {}) == {"text": "Try our new plan"}
    assert client.bool_variation("enabled", who, False) is True
    assert client.number_variation("limit", who, 0) == 2.5
    assert client.string_variation("color", who, "") == "red"


def test_variation__nothing_served__the_default(client: Intempt) -> None:
    who = visitor("v1")
    assert client.variation("unknown", who, "default") == "default"
    assert client.variation("pros", who, "default") == "default"
    assert client.variation("empty", who, "default") == "default"
    assert client.string_variation("enabled", who, "default") == "default"


def test_variation__unknown_user__the_default_until_identified(client: Intempt) -> None:
    who = FlagContext(user_id="nobody-yet")
    assert client.variation("color", who, "default") == "default"
    client.identify(user_id="nobody-yet", traits={"tier": "pro"})
    assert client.variation("color", who, "default") == "red"
    assert client.variation("pros", who, "default") == "pro"


def test_all_flags__everything_that_has_a_body(client: Intempt) -> None:
    flags = client.all_flags(visitor("v2"))
    assert flags == {
        "headline": {"text": "Try our new plan"},
        "enabled": True,
        "limit": 2.5,
        "color": "red",
        "visit": "welcome",
    }


def test_variation__once_per_visit__once_a_session(client: Intempt) -> None:
    asked = [
        client.variation("visit", visitor("v3", session_id=session), "default")
        for session in ("s1", "s1", "s2")
    ]
    assert asked == ["welcome", "default", "welcome"]


def test_variation__both_identifiers__the_same_before_and_after_login(client: Intempt) -> None:
    before = client.variation("headline", visitor("v4"), None)
    assert client.variation("headline", visitor("v4", user_id="user-4"), None) == before
    assert client.variation("headline", FlagContext(user_id="user-4"), None) == before


def test_group__account_attributes__decide(client: Intempt) -> None:
    client.group(account_id="acme", attributes={"plan": "gold"}, user_id="user-5")
    assert client.variation("gold", FlagContext(user_id="user-5"), "default") == "gold"
    client.group(account_id="other", attributes={"plan": "free"}, user_id="user-6")
    assert client.variation("gold", FlagContext(user_id="user-6"), "default") == "default"


def test_track__events__are_recorded(client: Intempt, shop: Shop) -> None:
    client.track("Signed up", user_id="user-7", properties={"value": 3})
    client.track_batch(
        [
            {"event": "Clicked", "profile_id": "v7", "timestamp": 1_700_000_000_000 + n}
            for n in range(60)
        ]
    )
    found = shop.events("conversions")
    (signed_up,) = [each for each in found if each["event_name"] == "Signed up"]
    assert (signed_up["subject_id"], signed_up["value"]) == ("user-7", 3)
    clicked = [each for each in found if each["event_name"] == "Clicked"]
    assert len(clicked) == 60
    assert {each["subject_id"] for each in clicked} == {"v7"}


def test_track__before_2010__refused_by_name(client: Intempt) -> None:
    with pytest.raises(IntemptApiError) as caught:
        client.track("Clicked", user_id="user-8", timestamp=1_262_303_999_999)
    assert caught.value.status == 400
    assert "2010-01-01" in str(caught.value.body)


def test_ecommerce__lines_of_an_order__each_counts_and_a_view_activates(
    client: Intempt, shop: Shop
) -> None:
    who = FlagContext(user_id="user-9")
    client.ecommerce.added_to_cart(product_id="x1", quantity=2, user_id="user-9")
    assert client.variation("offer", who, "default") == "default"
    client.ecommerce.product_viewed(product_id="x1", user_id="user-9")
    assert client.variation("offer", who, "default") == {"text": "Come back"}
    lines = [{"product_id": "x1", "quantity": 1}, {"product_id": "x2"}]
    client.ecommerce.ordered(products=lines, user_id="user-9")
    ordered = [
        each["properties"]["productId"]
        for each in shop.events("conversions")
        if each["event_name"] == "Product ordered"
    ]
    assert sorted(ordered) == ["x1", "x2"]


def test_consent__revoked_and_granted__is_honoured(client: Intempt, shop: Shop) -> None:
    client.consent.revoke(profile_id="v10", category="ads")
    assert client.variation("color", visitor("v10"), "default") == "red"
    client.consent.grant(user_id="user-10")
    client.variation("color", visitor("v11"), "default")

    def exposed(subject: str) -> int:
        return sum(each["subject_id"] == subject for each in shop.events("exposures"))

    wait_for(lambda: exposed("v11") == 1, 30)
    assert exposed("v10") == 0


def test_recommend__products_with_the_fields_asked_for(client: Intempt) -> None:
    client.identify(user_id="user-12")
    wait_for(
        lambda: len(recommended(client, "user-12", limit=2)) == 2,
        60,
    )
    assert {frozenset(each) for each in recommended(client, "user-12")} == {
        frozenset({"id", "price"})
    }
    with pytest.raises(IntemptApiError) as caught:
        client.recommend(feed_id="nonexistent", fields=["id"], user_id="user-12")
    assert (caught.value.status, json.loads(str(caught.value.body))) == (
        400,
        {"errors": [{"message": "Invalid feed id: nonexistent"}]},
    )


def recommended(client: Intempt, user_id: str, **fields: Any) -> list[dict[str, Any]]:
    answer = client.recommend(feed_id="newest", fields=["id", "price"], user_id=user_id, **fields)
    found: list[dict[str, Any]] = answer["products"]
    return found


def test_key__wrong__defaults_and_an_error_where_it_matters(shop: Shop) -> None:
    with shop.client(api_key="fx_key_wrong000.secret") as client:
        assert client.variation("color", visitor("v1"), "default") == "default"
        with pytest.raises(IntemptApiError) as caught:
            client.track("Clicked", user_id="user-13")
        assert caught.value.status == 401
