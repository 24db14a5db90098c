"""Fixtures for pytest: put `pytest_plugins = ["fairlot.testing.fixtures"]` into your conftest.py.

The client reaches no network. It starts with the manifest of the fixture `fairlot_manifest`, none
unless you define that fixture yourself, and `set_manifest` gives it another.
"""

from collections.abc import Iterator

import pytest

from fairlot.engine import Manifest
from fairlot.sdk.client import Client
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.testing.clock import FrozenClock
from fairlot.testing.sink import MemorySink


@pytest.fixture
def fairlot_clock() -> FrozenClock:
    """The client's time."""
    return FrozenClock()


@pytest.fixture
def fairlot_sink() -> MemorySink:
    """What the client recorded."""
    return MemorySink()


@pytest.fixture
def fairlot_manifest() -> Manifest | None:
    """What the client starts with; define a fixture of this name to give it yours."""
    return None


@pytest.fixture
def fairlot_client(
    fairlot_clock: FrozenClock, fairlot_sink: MemorySink, fairlot_manifest: Manifest | None
) -> Iterator[Client]:
    """A client that decides and records as in production, without a network."""
    client = Client(
        "http://fairlot.invalid/v1/test/manifest.json",
        transport=_no_network,
        clock=fairlot_clock,
        record_exposure=fairlot_sink.record_exposure,
        record_conversion=fairlot_sink.record_conversion,
    )
    if fairlot_manifest is not None:
        client.set_manifest(fairlot_manifest)
    yield client
    client.close()


def _no_network(request: HttpRequest) -> HttpResponse:
    raise OSError(f"the fixture fairlot_client has no network; it asked for {request.url}")
