"""What applications hear from the provider when the manifest comes, changes, ages and goes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from openfeature import api
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.provider import ProviderStatus

from fairlot import Client
from fairlot.engine import Experiment, Holdout, Layer, Variant
from fairlot.integrations.openfeature import FairlotProvider
from fairlot.testing import FrozenClock
from support.manifest_host import MANIFEST_URL, ManifestHost
from support.waiting import wait_for

VARIANTS = (Variant("control", is_control=True), Variant("bold"))
HERO = Experiment("hero", "hero", VARIANTS)
MENU = Experiment("menu", "menu", VARIANTS)
DOWN = OSError("the server is down")


class Bench:
    """A provider over a host, and the events that an application got."""

    def __init__(self) -> None:
        self.host = ManifestHost()
        self.clock = FrozenClock()
        self.client = Client(MANIFEST_URL, transport=self.host, clock=self.clock)
        self.provider = FairlotProvider(self.client)
        self.events: list[tuple[str, EventDetails]] = []
        for event in ProviderEvent:
            self._listen(event)

    def _listen(self, event: ProviderEvent) -> None:
        name = event.name.removeprefix("PROVIDER_").lower()
        api.add_handler(event, lambda details: self.events.append((name, details)))

    def start(self) -> None:
        api.set_provider_and_wait(self.provider)
        self.expect("ready")

    def refresh(self) -> None:
        self.clock.advance(30)
        self.client.refresh()

    def expect(self, *names: str) -> list[EventDetails]:
        """Exactly these events, since the last time; they come from a thread of OpenFeature."""
        wait_for(lambda: len(self.events) >= len(names))
        found = sorted(self.events, key=lambda event: event[0])
        assert [name for name, _ in found] == sorted(names)
        self.events.clear()
        return [details for _, details in found]

    def has_status(self, status: ProviderStatus) -> bool:
        return api.get_client().get_provider_status() is status


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    bench.host.publish(1, experiments=(HERO, MENU))
    bench.expect("ready")  # of the provider that does nothing, which is there first
    yield bench
    api.shutdown()


def test_set_provider__manifest_fetched__ready(bench: Bench) -> None:
    bench.start()
    assert bench.has_status(ProviderStatus.READY)
    assert bench.client.manifest() is not None


def test_set_provider__manifest_held_already__nothing_is_fetched(bench: Bench) -> None:
    bench.client.init()
    fetched = bench.host.fetched()
    bench.start()
    assert bench.host.fetched() == fetched


def test_set_provider__no_manifest_to_be_had__error_then_ready_when_it_comes(
    bench: Bench,
) -> None:
    bench.host.failure = DOWN
    with pytest.raises(ProviderNotReadyError):
        api.set_provider_and_wait(bench.provider)
    (failed,) = bench.expect("error")
    assert failed.error_code is ErrorCode.PROVIDER_NOT_READY
    assert "no manifest" in (failed.message or "")
    bench.refresh()
    bench.host.failure = None
    bench.refresh()
    bench.expect("ready")
    assert bench.has_status(ProviderStatus.READY)


def test_refresh__unchanged__nothing_is_said(bench: Bench) -> None:
    bench.start()
    bench.refresh()
    bench.host.publish(2, experiments=(HERO,))
    bench.refresh()
    bench.expect("configuration_changed")


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"experiments": (replace(HERO, divert_to="bold"), MENU)}, ["hero"]),
        ({"experiments": (HERO,)}, ["menu"]),
        ({"experiments": (HERO, MENU, replace(MENU, key="page"))}, ["page"]),
        ({"experiments": (HERO, MENU), "holdout": Holdout("all", "h", 500)}, ["hero", "menu"]),
        ({"experiments": (HERO,), "layers": (Layer("l", "l"),)}, ["hero", "menu"]),
    ],
    ids=["changed", "removed", "added", "holdout", "layer"],
)
def test_refresh__new_manifest__names_the_flags_that_changed(
    bench: Bench, fields: dict[str, Any], changed: list[str]
) -> None:
    bench.start()
    bench.host.publish(2, **fields)
    bench.refresh()
    (details,) = bench.expect("configuration_changed")
    assert (details.flags_changed, details.provider_name) == (changed, "Fairlot")


def test_refresh__fails_then_succeeds__stale_then_ready(bench: Bench) -> None:
    bench.start()
    bench.host.failure = DOWN
    bench.refresh()
    (stale,) = bench.expect("stale")
    assert "stays in use" in (stale.message or "")
    assert bench.has_status(ProviderStatus.STALE)
    bench.refresh()
    bench.host.failure = None
    bench.host.publish(2, experiments=(HERO,))
    bench.refresh()
    bench.expect("ready", "configuration_changed")
    assert bench.has_status(ProviderStatus.READY)


def test_refresh__in_the_background__heard_as_well(bench: Bench) -> None:
    bench.start()
    bench.host.publish(2, experiments=(HERO,))
    bench.clock.advance(31)
    api.get_client().get_string_value("hero", "", None)
    bench.client.treatment("hero", "anna")
    bench.expect("configuration_changed")


def test_refresh__manifest_revoked_and_none_before__error(bench: Bench) -> None:
    bench.start()
    bench.host.revoke(1)
    bench.refresh()
    (details,) = bench.expect("error")
    assert details.error_code is ErrorCode.PROVIDER_NOT_READY
    assert bench.has_status(ProviderStatus.ERROR)


def test_set_manifest__another_one__named_as_a_change(bench: Bench) -> None:
    bench.start()
    manifest = bench.client.manifest()
    assert manifest is not None
    bench.client.set_manifest(replace(manifest, version=9, experiments=(HERO,)))
    (details,) = bench.expect("configuration_changed")
    assert details.flags_changed == ["menu"]


def test_shutdown__client__closed_and_silent(bench: Bench) -> None:
    bench.start()
    bench.provider.shutdown()
    fetched = bench.host.fetched()
    bench.refresh()
    assert bench.host.fetched() == fetched
    assert bench.events == []


def test_initialize__again__one_event_for_one_change(bench: Bench) -> None:
    bench.start()
    bench.provider.initialize(api.get_evaluation_context())
    bench.host.publish(2, experiments=(HERO,))
    bench.refresh()
    bench.expect("configuration_changed")


def test_shutdown__provider_that_was_never_set__closes_the_client(bench: Bench) -> None:
    bench.provider.shutdown()
    assert not bench.client.refresh()
