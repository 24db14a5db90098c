"""The published client `oursprivacy-client`, validating strictly, against `fairlot serve`."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ours_privacy
import pytest
from ours_privacy import OursPrivacy
from ours_privacy.types.experiment_assignment_params import Context

from fairlot.events import Conversion, Trust
from fairlot.warehouse.log import read_conversions
from support.processes import ServerProcess, fairlot, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

EXPERIMENTS = {
    "checkout": """
key: checkout
name: Checkout
audience:
  urlPatterns: [/checkout/**]
  queryParams: [{key: campaign, operator: equals, value: autumn}]
variants:
  - {key: control, name: Control}
  - {key: treatment, name: Treatment, payload: {label: Go on}}
""",
    "nobody": """
key: nobody
name: Nobody is sampled
sampleRate: 0
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "resting": """
key: resting
name: Paused
status: paused
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
    "moving": """
key: moving
name: A redirect
variants:
  - {key: control, name: Control, weight: 0}
  - {key: treatment, name: Treatment, weight: 10000, redirect: /new}
""",
    "offer": """
key: offer
name: Offer
type: personalization
when: {event: Viewed Pricing, where: {plan: pro}, count: 2, within: 1d}
for: 1h
controlShare: 0
variants: [{key: call, name: Call us, payload: {title: Shall we talk?}}]
""",
    "last_plan": """
kind: property
key: last_plan
when: {event: Viewed Pricing}
value: plan
""",
    "unfinished": """
key: unfinished
name: A draft
status: draft
variants: [{key: control, name: Control}, {key: treatment, name: Treatment}]
""",
}
URL = "https://shop.example/checkout/pay?campaign=autumn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("ours")
    experiments = root / "experiments"
    experiments.mkdir()
    for key, text in EXPERIMENTS.items():
        (experiments / f"{key}.yaml").write_text(text)
    return root / "data", published(root / "data", experiments)


@pytest.fixture(scope="module")
def server(folder: tuple[Path, str], source: str) -> Iterator[ServerProcess]:
    """It is started when the source token is there."""
    with serving(folder[0]) as running:
        yield running


@pytest.fixture(scope="module")
def token(folder: tuple[Path, str]) -> str:
    return folder[1]


@pytest.fixture(scope="module")
def source(folder: tuple[Path, str]) -> str:
    words = ("token", "create", "--kind", "source", "--data", str(folder[0]))
    made: str = fairlot(*words)["token"]
    return made


def client_of(server: ServerProcess) -> OursPrivacy:
    return OursPrivacy(
        base_url=f"{server.url}/api/v1", max_retries=0, _strict_response_validation=True
    )


@pytest.fixture
def client(server: ServerProcess) -> Iterator[OursPrivacy]:
    with client_of(server) as made:
        yield made


def asked(client: OursPrivacy, token: str, visitor: str, *, track: bool = True) -> str:
    """The variant id of an assignment on the page of the checkout experiment."""
    answer = client.experiments.assignment(
        "checkout",
        token=token,
        visitor_id=visitor,
        context={"url": URL},
        track_impression=track,
    )
    assert answer.in_experiment is True
    return answer.variant_id


def recorded(server: ServerProcess, experiment: str, subject: str) -> int:
    words = ("events", "--experiment", experiment, "--data", str(server.data_dir))
    return sum(event["subject_id"] == subject for event in fairlot(*words)["events"])


def test_assignment__in__every_field(client: OursPrivacy, token: str) -> None:
    answer = client.experiments.assignment(
        "checkout", token=token, visitor_id="v_123", context={"url": URL}
    )
    assert answer.success is True
    assert answer.in_experiment is True
    assert answer.experiment_key == "checkout"
    assert answer.experiment_name == "Checkout"
    assert answer.experiment_id.startswith("exp_")
    assert answer.variant_id.startswith("var_")
    assert answer.variant_name in ("Control", "Treatment")
    assert answer.is_control is (answer.variant_name == "Control")
    assert answer.type == "ab"


@pytest.mark.parametrize("visitor", ["a", "b", "ünï-😀", "x" * 400])
def test_assignment__repeated__sticky(client: OursPrivacy, token: str, visitor: str) -> None:
    assert asked(client, token, visitor) == asked(client, token, visitor)


def test_assignment__redirect__named(client: OursPrivacy, token: str) -> None:
    answer = client.experiments.assignment("moving", token=token, visitor_id="v")
    assert answer.in_experiment is True
    assert answer.redirect == "/new"


@pytest.mark.parametrize(
    ("key", "context"),
    [
        pytest.param("checkout", {"url": "https://shop.example/?campaign=autumn"}, id="url"),
        pytest.param("checkout", {"url": "https://shop.example/checkout/a"}, id="query"),
        pytest.param("checkout", {"url": URL, "search": "?campaign=spring"}, id="search"),
        pytest.param("checkout", {"url": "::not a url::"}, id="unparsable"),
        pytest.param("nobody", {}, id="allocation"),
        pytest.param("resting", {}, id="paused"),
    ],
)
def test_assignment__out__just_that(
    client: OursPrivacy, token: str, key: str, context: Context
) -> None:
    raw = client.experiments.with_raw_response.assignment(
        key,
        token=token,
        visitor_id="v_123",
        context=context,
    )
    assert raw.json() == {"success": True, "in_experiment": False}
    assert raw.headers["cache-control"] == "no-store"


def test_assignment__unknown_token__its_own_exception(client: OursPrivacy) -> None:
    with pytest.raises(ours_privacy.AuthenticationError):
        client.experiments.assignment("checkout", token="exp_" + "x" * 32, visitor_id="v")


@pytest.mark.parametrize("key", ["unknown", "unfinished", "checkout redesign/x"])
def test_assignment__not_running__its_own_exception(
    client: OursPrivacy, token: str, key: str
) -> None:
    with pytest.raises(ours_privacy.NotFoundError):
        client.experiments.assignment(key, token=token, visitor_id="v")


def test_assignment__empty_visitor__bad_request(client: OursPrivacy, token: str) -> None:
    with pytest.raises(ours_privacy.BadRequestError) as caught:
        client.experiments.assignment("checkout", token=token, visitor_id="")
    assert "visitor_id" in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"


def ask_often(client: OursPrivacy, token: str, times: int) -> None:
    for number in range(times):
        client.experiments.assignment("moving", token=token, visitor_id=f"v{number}")


def test_assignment__over_the_tier__its_own_exception(
    folder: tuple[Path, str], tmp_path: Path
) -> None:
    experiments = tmp_path / "experiments"
    experiments.mkdir()
    (experiments / "moving.yaml").write_text(EXPERIMENTS["moving"])
    token = published(tmp_path / "data", experiments)
    with (
        serving(tmp_path / "data", FAIRLOT_THROTTLE_TIER="free") as throttled,
        client_of(throttled) as client,
    ):
        with pytest.raises(ours_privacy.RateLimitError) as caught:
            ask_often(client, token, 10_000)
        assert int(caught.value.response.headers["retry-after"]) >= 1


def test_assignment__track_impression_false__records_nothing(
    client: OursPrivacy, server: ServerProcess, token: str
) -> None:
    asked(client, token, "read-only", track=False)
    asked(client, token, "recorded")
    wait_for(lambda: recorded(server, "checkout", "recorded") == 1)
    assert recorded(server, "checkout", "read-only") == 0


def conversions(server: ServerProcess, name: str) -> list[Conversion]:
    found = read_conversions(server.data_dir / "events")
    return [each for each in found if each.event_name == name]


def test_track__event__is_recorded_with_all_that_was_sent(
    client: OursPrivacy, server: ServerProcess, source: str
) -> None:
    answer = client.track.event(
        token=source,
        event="Purchase",
        user_id="v_track",
        external_id="crm-track",
        email="track@shop.example",
        distinct_id="order-1",
        time=time.time() * 1000 - 60_000,
        event_properties={"value": 49.9, "items": ["a", "b"]},
        user_properties={"city": "Graz", "custom_properties": {"size": "m"}},
        default_properties={"current_url": "https://shop.example/pay", "sid": "s1"},
        identity_context={"ip": "192.0.2.1", "user_agent": "Mozilla/5.0"},
    )
    assert answer.success is True
    (found,) = conversions(server, "Purchase")
    assert (found.subject_id, found.value) == ("v_track", 49.9)
    assert (found.session_id, found.trust) == ("s1", Trust.SERVER)
    assert found.properties is not None
    assert found.properties["items"] == ["a", "b"]


WHO: list[dict[str, Any]] = [
    {"external_id": "crm-who"},
    {"email": "Who@Shop.example"},
    {"user_id": "v_who"},
]


@pytest.mark.parametrize("who", WHO, ids=lambda who: next(iter(who)))
def test_track__after_identify__is_of_the_same_visitor(
    client: OursPrivacy, server: ServerProcess, source: str, who: dict[str, Any]
) -> None:
    upserted = client.visitor.upsert(
        token=source,
        user_id="v_who",
        external_id="crm-who",
        email="who@shop.example",
        user_properties={"city": "Graz", "consent": {"analytics": True}},
    )
    assert upserted.success is True
    name = f"Seen {next(iter(who))}"
    client.track.event(token=source, event=name, **who)
    assert [each.subject_id for each in conversions(server, name)] == ["v_who"]


def test_batch__mixed_rows__are_told_one_by_one(
    client: OursPrivacy, server: ServerProcess, source: str
) -> None:
    rows: Any = [
        {"event": "Imported", "distinct_id": "i1", "user_id": "v_batch"},
        {"event": "Imported", "distinct_id": "i2", "user_id": "v_batch", "time": 1_230_768_000_000},
        {"event": "Imported", "distinct_id": "i3"},
    ]
    answer = client.batch.create(token=source, events=rows)
    assert (answer.success, answer.accepted, answer.failed) == (False, 1, 2)
    assert [each.success for each in answer.results] == [True, False, False]
    again = client.batch.create(token=source, events=rows[:1])
    assert (again.success, again.accepted, again.failed) == (True, 1, 0)
    assert len(conversions(server, "Imported")) == 1


def test_personalization__of_what_was_tracked__is_read(
    client: OursPrivacy, token: str, source: str
) -> None:
    def asked() -> tuple[list[str], dict[str, Any]]:
        answer = client.experiments.personalization(token=token, visitor_id="v_offer")
        assert answer.success is True
        active = [each.variant_id for each in answer.personalizations or []]
        return active, dict(answer.properties)

    assert asked() == ([], {})
    for number, plan in enumerate(("free", "pro", "pro")):
        client.track.event(
            token=source,
            event="Viewed Pricing",
            user_id="v_offer",
            distinct_id=f"view-{number}",
            event_properties={"plan": plan},
        )
    (variant_id,), properties = asked()
    assert variant_id.startswith("var_")
    assert properties == {"last_plan": "pro"}


@pytest.mark.parametrize("kind", ["track", "identify", "batch"])
def test_ingest__experiment_token__its_own_exception(
    client: OursPrivacy, token: str, kind: str
) -> None:
    asking: dict[str, Callable[[], object]] = {
        "track": lambda: client.track.event(token=token, event="Purchase", user_id="v"),
        "identify": lambda: client.visitor.upsert(token=token, user_properties={}),
        "batch": lambda: client.batch.create(token=token, events=[]),
    }
    with pytest.raises(ours_privacy.AuthenticationError):
        asking[kind]()


def test_personalization__source_token__its_own_exception(client: OursPrivacy, source: str) -> None:
    with pytest.raises(ours_privacy.AuthenticationError):
        client.experiments.personalization(token=source, visitor_id="v")


def test_track__nobody_named__bad_request(client: OursPrivacy, source: str) -> None:
    with pytest.raises(ours_privacy.BadRequestError, match="nobody is named"):
        client.track.event(token=source, event="Purchase")


def test_identify__too_large__its_status(client: OursPrivacy, source: str) -> None:
    with pytest.raises(ours_privacy.APIStatusError) as caught:
        client.visitor.upsert(token=source, user_properties={"city": "x" * 10_000_000})
    assert caught.value.status_code == 413
    assert caught.value.response.json()["limit"] == 4 << 20
