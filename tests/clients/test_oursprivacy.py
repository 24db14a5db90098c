"""The published client `oursprivacy-client`, validating strictly, against `fairlot serve`."""

from collections.abc import Iterator
from pathlib import Path

import ours_privacy
import pytest
from ours_privacy import OursPrivacy
from ours_privacy.types.experiment_assignment_params import Context

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
def server(folder: tuple[Path, str]) -> Iterator[ServerProcess]:
    with serving(folder[0]) as running:
        yield running


@pytest.fixture(scope="module")
def token(folder: tuple[Path, str]) -> str:
    return folder[1]


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
            ask_often(client, token, 400)
        assert int(caught.value.response.headers["retry-after"]) >= 1


def test_assignment__track_impression_false__records_nothing(
    client: OursPrivacy, server: ServerProcess, token: str
) -> None:
    asked(client, token, "read-only", track=False)
    asked(client, token, "recorded")
    wait_for(lambda: recorded(server, "checkout", "recorded") == 1)
    assert recorded(server, "checkout", "read-only") == 0
