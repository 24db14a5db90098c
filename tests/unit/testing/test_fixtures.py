"""The fixtures as a user's test suite gets them: a suite of its own, in another process."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = """
import pytest
from fairlot.testing import manifest_of

pytest_plugins = ["fairlot.testing.fixtures"]
"""

WITH_MANIFEST = """
@pytest.fixture
def fairlot_manifest():
    return manifest_of({"checkout": ["control", "bold"]})
"""

SUITE = """
import pytest
from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.testing import FrozenClock, MemorySink, force


def test_client_records_into_the_sink_at_the_time_of_the_clock(
    fairlot_client, fairlot_sink, fairlot_clock
):
    fairlot_clock.advance(60)
    result = fairlot_client.exposure("checkout", "anna")
    fairlot_client.track("purchase", "anna", value=12)
    fairlot_client.identify("anna", "user-1")
    (exposure,) = fairlot_sink.exposures
    assert exposure.variant_key == result.variant_key
    assert exposure.at == FrozenClock().now_ms() + 60_000
    assert [event.value for event in fairlot_sink.conversions] == [12]
    assert [event.user_id for event in fairlot_sink.identities] == ["user-1"]


def test_each_test_has_its_own(fairlot_client, fairlot_sink):
    assert fairlot_sink.exposures == []
    assert fairlot_client.exposure("checkout", "anna").variant_key in ("control", "bold")


def test_cookies_are_read_and_written_as_in_production(fairlot_client):
    response = ResponseHeaders()
    context = RequestContext(headers={}, response=response)
    variant = fairlot_client.treatment("checkout", "anna", context).variant_key
    assert [line.partition(";")[0] for _, line in response] == [f"fx.checkout={variant}"]


@force("checkout", "bold")
def test_forced(fairlot_client):
    assert fairlot_client.treatment("checkout", "anna").variant_key == "bold"


@pytest.mark.parametrize("variant", ["control", "bold"])
def test_forced_in_turn(fairlot_client, variant):
    with force("checkout", variant):
        assert fairlot_client.treatment("checkout", "anna").variant_key == variant
"""

OFFLINE = """
def test_nothing_is_decided_without_a_manifest(fairlot_client):
    assert fairlot_client.manifest() is None
    assert fairlot_client.treatment("checkout", "anna").variant_key is None


def test_no_network(fairlot_client, caplog):
    assert not fairlot_client.init()
    assert "the fixture fairlot_client has no network" in caplog.text
"""


def run_suite(folder: Path, conftest: str, suite: str) -> str:
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_shop.py").write_text(suite)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, str(folder)], cwd=folder, capture_output=True, text=True, timeout=180
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_fixtures__suite_with_a_manifest_of_its_own__passes(tmp_path: Path) -> None:
    assert "6 passed" in run_suite(tmp_path, CONFTEST + WITH_MANIFEST, SUITE)


def test_fixtures__no_manifest__client_is_offline(tmp_path: Path) -> None:
    assert "2 passed" in run_suite(tmp_path, CONFTEST, OFFLINE)


def test_testing__imported__brings_neither_pytest_nor_the_server(tmp_path: Path) -> None:
    program = """
import sys
import fairlot.testing
unwanted = {"pytest", "yaml", "sqlalchemy", "structlog", "click", "joserfc", "uvicorn"}
print(sorted(unwanted & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=True
    )
    assert ran.stdout.strip() == "[]"
