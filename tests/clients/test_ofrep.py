"""The published `openfeature-provider-ofrep` against `fairlot serve`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason

from fairlot.warehouse.log import read_exposures
from support.flags import Flags, serving_flags
from support.waiting import wait_for

pytestmark = pytest.mark.slow

ADA = EvaluationContext("ada")


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flags]:
    with serving_flags(tmp_path_factory.mktemp("flags")) as served:
        yield served


@contextmanager
def client_of(flags: Flags, headers: dict[str, str]) -> Iterator[OpenFeatureClient]:
    provider = OFREPProvider(flags.server.url, headers_factory=lambda: headers)
    api.set_provider_and_wait(provider, domain="ofrep")
    try:
        yield api.get_client("ofrep")
    finally:
        api.clear_providers()
        provider.session.close()


@pytest.fixture
def client(flags: Flags) -> Iterator[OpenFeatureClient]:
    with client_of(flags, {"Authorization": f"Bearer {flags.key}"}) as made:
        yield made


def asked(client: OpenFeatureClient, flag: str, default: Any) -> FlagEvaluationDetails[Any]:
    """By the method for the type of the default."""
    methods: dict[type, Any] = {
        bool: client.get_boolean_details,
        str: client.get_string_details,
        int: client.get_integer_details,
        float: client.get_float_details,
        dict: client.get_object_details,
        list: client.get_object_details,
    }
    found: FlagEvaluationDetails[Any] = methods[type(default)](flag, default, ADA)
    return found


@pytest.mark.parametrize(
    ("flag", "default", "value"),
    [
        ("boolean", False, True),
        ("text", "none", "red"),
        ("integer", 0, 3),
        ("float", 0.0, 1.0),
        ("object", {}, {"color": "red", "sizes": [1, 2.0]}),
        ("list", [], [1, "b"]),
        ("plain", "none", "on"),
    ],
)
def test_types__all__are_served_as_they_are(
    client: OpenFeatureClient, flag: str, default: Any, value: Any
) -> None:
    found = asked(client, flag, default)
    assert found.error_code is None, found.error_message
    assert found.value == value
    assert type(found.value) is type(value)
    assert (found.reason, found.variant) == (Reason.SPLIT, "on")
    assert found.flag_metadata["fairlotReason"] == "bucket"


@pytest.mark.parametrize(("flag", "default"), [("float", 7), ("integer", 0.5), ("text", True)])
def test_types__another_than_was_asked_for__gives_the_default(
    client: OpenFeatureClient, flag: str, default: Any
) -> None:
    found = asked(client, flag, default)
    assert (found.value, found.error_code) == (default, ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize(
    ("flag", "reason"), [("nobody", Reason.DEFAULT), ("resting", Reason.DISABLED)]
)
def test_no_variant__gives_the_default_and_no_error(
    client: OpenFeatureClient, flag: str, reason: Reason
) -> None:
    found = asked(client, flag, "default")
    assert (found.value, found.reason, found.error_code) == ("default", reason, None)
    assert found.variant is None


def test_context__attributes__are_looked_at(client: OpenFeatureClient) -> None:
    for tier, value in (("free", "default"), ("pro", "for pros")):
        context = EvaluationContext("ada", {"tier": tier})
        assert client.get_string_value("pros", "default", context) == value


def test_flag__not_there__is_not_found(client: OpenFeatureClient) -> None:
    found = asked(client, "unknown", "default")
    assert (found.value, found.error_code) == ("default", ErrorCode.FLAG_NOT_FOUND)
    told = "no experiment 'unknown' runs here; check the spelling, and whether it was started"
    assert found.error_message == f"{told} or killed"


@pytest.mark.parametrize("context", [None, EvaluationContext(), EvaluationContext("", {"a": 1})])
def test_targeting_key__missing__is_told(
    client: OpenFeatureClient, context: EvaluationContext | None
) -> None:
    found = client.get_string_details("text", "default", context)
    assert (found.value, found.error_code) == ("default", ErrorCode.TARGETING_KEY_MISSING)


def test_context__unfit__is_invalid(client: OpenFeatureClient) -> None:
    context = EvaluationContext("ada", {"fairlot": {"uri": "https://a.example"}})
    found = client.get_string_details("text", "default", context)
    assert (found.value, found.error_code) == ("default", ErrorCode.INVALID_CONTEXT)


def test_key__wrong__is_an_error(flags: Flags) -> None:
    with client_of(flags, {"X-API-Key": "fx_key_a.b"}) as client:
        found = asked(client, "text", "default")
    assert (found.value, found.error_code) == ("default", ErrorCode.GENERAL)
    assert found.error_message == "unauthorized"


def test_evaluation__is_an_exposure(client: OpenFeatureClient, flags: Flags) -> None:
    client.get_string_value("text", "default", EvaluationContext("exposed"))

    def exposed() -> list[str]:
        found = read_exposures(flags.server.data_dir / "events")
        return [each.experiment_key for each in found if each.subject_id == "exposed"]

    wait_for(lambda: exposed() == ["text"])


def test_rate__over_the_tier__waits_as_it_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("throttled")
    with (
        serving_flags(root, tier="free") as throttled,
        client_of(throttled, {"X-API-Key": throttled.key}) as client,
    ):
        evaluated = (asked(client, "text", "default") for _ in range(10_000))
        refused = [next(each for each in evaluated if each.error_code is not None)]
        refused.append(asked(client, "text", "default"))
        provider = client.provider
        assert isinstance(provider, OFREPProvider)
        assert provider.retry_after is not None
        assert provider.retry_after <= datetime.now(UTC) + timedelta(seconds=2)
    assert {each.value for each in refused} == {"default"}
    assert refused[0].error_message == "Rate limited, retry after: 1"
    assert refused[1].error_message is not None
    assert refused[1].error_message.startswith("OFREP evaluation paused due to TooManyRequests")
