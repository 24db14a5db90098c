"""The published `@openfeature/ofrep-web-provider` against `fairlot serve`, in Node."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support.flags import CLIENTS, Flags, node_packages, serving_flags

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flags(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flags]:
    node_packages()
    with serving_flags(tmp_path_factory.mktemp("flags")) as served:
        yield served


def play(flags: Flags, scene: str) -> Any:
    """What tests/clients/ofrep_web.mjs found out."""
    ran = subprocess.run(
        ["node", "ofrep_web.mjs", flags.server.url, scene],
        cwd=CLIENTS,
        input=flags.key,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def test_types__all__are_served_as_they_are(flags: Flags) -> None:
    found = play(flags, "types")
    values = {key: each["value"] for key, each in found.items()}
    assert values == {
        "boolean": True,
        "text": "red",
        "integer": 3,
        "float": 1.0,
        "object": {"color": "red", "sizes": [1, 2.0]},
        "list": [1, "b"],
        "plain": "on",
        "nobody": "default",
        "resting": "default",
        "pros": "default",
        "pros_in": "for pros",
        "mismatch": "default",
        "unknown": "default",
    }
    text = found["text"]
    assert (text["reason"], text["variant"]) == ("SPLIT", "on")
    assert text["flagMetadata"]["fairlotReason"] == "bucket"
    assert (found["nobody"]["reason"], found["resting"]["reason"]) == ("DEFAULT", "DISABLED")
    assert "errorCode" not in found["nobody"]
    assert found["mismatch"]["errorCode"] == "TYPE_MISMATCH"
    assert found["unknown"]["errorCode"] == "FLAG_NOT_FOUND"


def test_targeting_key__missing__the_provider_is_in_error_and_gives_defaults(flags: Flags) -> None:
    found = play(flags, "targetingKeyMissing")
    assert found["status"] == 400
    assert found["error"] == "Failed OFREP bulk evaluation request, status: 400"
    assert (found["value"], found["reason"]) == (False, "ERROR")


def test_key__wrong__is_fatal(flags: Flags) -> None:
    found = play(flags, "unauthorized")
    assert (found["status"], found["client"]) == (401, "FATAL")


def test_polling__nothing_changed__is_304(flags: Flags) -> None:
    assert play(flags, "notModified") == {"statuses": [200, 304, 304], "value": "red"}


def test_polling__too_often__waits_as_it_is_told_and_keeps_its_flags(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node_packages()
    root = tmp_path_factory.mktemp("throttled")
    with serving_flags(root, tier="free") as throttled:
        found = play(throttled, "throttled")
    assert "OFREPApiTooManyRequestsError: rate limit exceeded" in found["stale"]
    assert (found["last"], found["askedMeanwhile"], found["value"]) == (429, 0, "red")
    assert found["asked"] > 100
