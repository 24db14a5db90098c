"""What visitors of the past do: a client decides by the shop's own files, and a sink keeps it."""

from collections import Counter

import pytest

from fairlot.cli.past import DAYS, VISITORS, PastVisitors
from fairlot.sdk.client import Client
from fairlot.testing import FrozenClock, MemorySink, manifest_from_files
from support.commands import SHOP

BEGAN_MS = 1_793_451_137_528
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def sink() -> MemorySink:
    kept, clock = MemorySink(), FrozenClock(BEGAN_MS)
    client = Client(
        "https://shop.example/v1/default/manifest.json",
        record_exposure=kept.record_exposure,
        record_conversion=kept.record_conversion,
        clock=clock,
    )
    client.set_manifest(manifest_from_files(SHOP))
    PastVisitors(client, clock, BEGAN_MS).come(lambda _count: None)
    client.close()
    return kept


def arms_of(sink: MemorySink, experiment: str) -> dict[str, str]:
    return {
        each.subject_id: each.variant_key
        for each in sink.exposures
        if each.experiment_key == experiment
    }


def rates_of(sink: MemorySink, experiment: str, event: str) -> dict[str, float]:
    arms = arms_of(sink, experiment)
    sizes = Counter(arms.values())
    did = {each.subject_id for each in sink.conversions if each.event_name == event}
    counts = Counter(arm for subject, arm in arms.items() if subject in did)
    return {arm: counts[arm] / size for arm, size in sizes.items()}


def test_past__the_checkout_button__really_makes_more_order(sink: MemorySink) -> None:
    rates = rates_of(sink, "checkout-button", "Order placed")
    assert rates == pytest.approx({"control": 0.12, "next-step": 0.19}, abs=0.002)


def test_past__free_delivery__makes_no_difference(sink: MemorySink) -> None:
    """The arms differ in how many of them see the next step, and so by a few per mille."""
    rates = rates_of(sink, "free-delivery", "Order placed")
    assert len(rates) == 3
    assert max(rates.values()) - min(rates.values()) < 0.01
    asked = rates_of(sink, "free-delivery", "Help opened")
    assert asked == pytest.approx(dict.fromkeys(asked, 0.06), abs=0.003)


def test_past__loyalty_price__loses_the_member_price_on_phones_only(sink: MemorySink) -> None:
    devices = Counter(
        (each.variant_key, each.device)
        for each in sink.exposures
        if each.experiment_key == "loyalty-price"
    )
    assert set(devices) == {
        ("control", "mobile"),
        ("control", "desktop"),
        ("member-price", "desktop"),
    }


def test_past__everybody__came_within_the_days_and_ordered_after_an_exposure(
    sink: MemorySink,
) -> None:
    first: dict[str, int] = {}
    for each in sink.exposures:
        first[each.subject_id] = min(each.at, first.get(each.subject_id, each.at))
    assert len(first) == VISITORS
    assert min(first.values()) == BEGAN_MS
    assert max(first.values()) < BEGAN_MS + DAYS * DAY_MS
    waits = [each.at - first[each.subject_id] for each in sink.conversions]
    assert 0 < min(waits) <= max(waits) < 7 * DAY_MS
