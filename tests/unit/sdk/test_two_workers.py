"""A client between two server workers of different age, whose answers come in a scripted order."""

import gc
from pathlib import Path

import pytest

from fairlot.engine import CompiledManifest
from fairlot.manifest import RefusalReason
from fairlot.sdk.documents import UNLISTED_AT_MOST, Revocations
from fairlot.sdk.source import EARLIER_AT_MOST
from support.manifest_host import STATIC_URL, ManifestHost
from support.source_bench import Bench
from support.two_workers import TwoWorkers


@pytest.fixture
def workers() -> TwoWorkers:
    """Both serve version 1."""
    workers = TwoWorkers()
    workers.publish(1)
    workers.catch_up()
    return workers


@pytest.fixture
def bench(workers: TwoWorkers) -> Bench:
    """Holds version 1."""
    bench = Bench(workers)
    assert bench.source.init()
    return bench


def publish(workers: TwoWorkers, version: int, *revoked: int) -> None:
    """By the newer worker; the older has yet to catch up. All that are revoked are named."""
    workers.publish(version)
    workers.revoke(*revoked)


def refresh(bench: Bench, workers: TwoWorkers, *turns: str) -> bool:
    """A refresh of exactly these exchanges: manifest, revocations and, if need be, manifest."""
    asked = len(workers.requests) + len(workers.older.requests)
    workers.turns.extend(turns)
    is_current = bench.source.refresh()
    assert len(workers.requests) + len(workers.older.requests) - asked == len(turns)
    return is_current


# What is gone back to.


@pytest.mark.parametrize(
    ("oldest", "turns"),
    [(3, ("older", "newer", "older")), (2, ("older", "newer"))],
    ids=["asked again it has what is held", "it has what was held before"],
)
def test_refresh__two_revoked_in_a_row_and_only_the_older_has_manifests__goes_back_to_a_good_one(
    bench: Bench, workers: TwoWorkers, oldest: int, turns: tuple[str, ...]
) -> None:
    publish(workers, 2)
    workers.catch_up()
    assert refresh(bench, workers, "older", "older")
    publish(workers, 3, 2)
    assert refresh(bench, workers, "newer", "older")  # it does not say that 2 is revoked
    if oldest == 3:
        workers.catch_up()
    publish(workers, 4, 2, 3)
    assert not refresh(bench, workers, *turns)
    assert bench.versions == [1, 2, 3, 1]
    told = " ".join(map(str, bench.reports))
    assert "version 3, which was in use, has been revoked; using 1 again" in told
    assert refresh(bench, workers, "newer", "newer")
    assert bench.versions == [1, 2, 3, 1, 4]


def test_refresh__gone_back_and_that_one_is_revoked_too__goes_back_further(
    bench: Bench, workers: TwoWorkers
) -> None:
    for version in (2, 3):
        publish(workers, version)
        bench.source.refresh()
    workers.revoke(3)
    assert not bench.source.refresh()
    workers.revoke(2, 3)
    assert not bench.source.refresh()
    publish(workers, 4, 2, 3)
    assert bench.source.refresh()
    workers.revoke(2, 3, 4)
    assert not bench.source.refresh()
    assert bench.versions == [1, 2, 3, 2, 1, 4, 1]


def test_refresh__same_version_in_other_bytes__takes_no_place_among_the_earlier(
    bench: Bench, workers: TwoWorkers
) -> None:
    publish(workers, 2)
    bench.source.refresh()
    for minute in range(EARLIER_AT_MOST + 1):
        workers.publish(2, published_at=f"2026-11-24T06:{minute:02}:00.000Z")
        assert bench.source.refresh()
    workers.revoke(2)
    assert not bench.source.refresh()
    assert bench.versions[-1] == 1


def test_refresh__many_versions__a_few_earlier_ones_are_kept_and_no_more(
    workers: TwoWorkers,
) -> None:
    bench = Bench(workers, accept=lambda _compiled: None)
    newest = 7_010  # no other test has versions of seven thousand
    for version in range(7_001, newest + 1):
        publish(workers, version)
        assert bench.source.refresh()
    gc.collect()
    alive = {
        each.version
        for each in gc.get_objects()  # of any test: isinstance would wake lazy ones
        if type(each) is CompiledManifest and each.version > 7_000
    }
    assert alive == set(range(newest - EARLIER_AT_MOST, newest + 1))


# What is known as revoked.


def test_refresh__revoked_version_by_a_worker_that_does_not_know__is_refused(
    bench: Bench, workers: TwoWorkers
) -> None:
    publish(workers, 2)
    workers.catch_up()
    publish(workers, 3, 2)
    assert not refresh(bench, workers, "older", "newer")
    assert not refresh(bench, workers, "older", "older")
    assert bench.versions == [1]
    assert bench.refusals == [RefusalReason.REVOKED, RefusalReason.REVOKED]


def test_refresh__revoked_fallback_by_a_worker_that_does_not_know__is_not_gone_back_to(
    bench: Bench, workers: TwoWorkers
) -> None:
    for version in (2, 3):
        publish(workers, version)
        bench.source.refresh()
    workers.catch_up()
    workers.revoke(2)
    assert refresh(bench, workers, "newer", "newer")
    assert refresh(bench, workers, "older", "older")
    workers.older.revoke(3)  # and no more: its list has lost 2
    assert not refresh(bench, workers, "older", "older", "older")
    assert bench.versions == [1, 2, 3, 1]


def test_refresh__preview_revoked_and_a_worker_that_does_not_know__stays_revoked(
    bench: Bench, workers: TwoWorkers
) -> None:
    workers.revoke(previews=("prv_1",))
    assert refresh(bench, workers, "newer", "newer")
    assert refresh(bench, workers, "older", "older")
    assert bench.source.revoked_previews == {"prv_1"}


def test_cache__revoked_and_then_an_older_list__is_known_after_a_restart(
    workers: TwoWorkers, tmp_path: Path
) -> None:
    bench = Bench(workers, cache=tmp_path / "manifest.json")
    bench.source.init()
    publish(workers, 2)
    workers.catch_up()
    publish(workers, 3, 2)
    refresh(bench, workers, "older", "newer")
    refresh(bench, workers, "older", "older")
    restarted = Bench(workers.older, cache=tmp_path / "manifest.json")
    assert restarted.source.init()
    assert restarted.versions == [1]
    assert restarted.refusals == [RefusalReason.REVOKED]


def test_static__list_of_revocations_that_goes_away__is_remembered() -> None:
    host = ManifestHost(STATIC_URL)
    host.publish(3)
    host.revoke(3)
    bench = Bench(host)
    assert not bench.source.init()
    del host.documents[host.endpoints.revocations]
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.REVOKED, RefusalReason.REVOKED]


# How much of it is remembered.


def test_revocations__listed_and_not__are_joined_in_order() -> None:
    known = Revocations({"shop": (2, 5), "blog": (1,)}, ("prv_1", "prv_3"))
    found = Revocations({"shop": (7, 5)}, ("prv_2",))
    joined = found.with_unlisted_of(known)
    assert joined == Revocations({"shop": (7, 5, 2), "blog": (1,)}, ("prv_2", "prv_1", "prv_3"))
    assert found.with_unlisted_of(joined) == joined


def test_revocations__far_too_many__the_highest_are_remembered_and_all_that_are_listed() -> None:
    many = UNLISTED_AT_MOST + 50
    known = Revocations(
        {"shop": tuple(range(many))}, tuple(f"prv_{number:04}" for number in range(many))
    )
    joined = Revocations({"shop": (5_000,)}).with_unlisted_of(known)
    assert joined.revoked == {"shop": (5_000, *range(50, many))}
    assert joined.previews == tuple(f"prv_{number:04}" for number in range(50, many))
    assert known.with_unlisted_of(Revocations()) == known


def test_revocations__what_cannot_be_the_id_of_a_token__is_not_remembered() -> None:
    known = Revocations(previews=("x" * 65, "prv_1", ""))
    assert Revocations().with_unlisted_of(known).previews == ("prv_1",)


def test_refresh__revoked_of_another_project__is_not_remembered(
    bench: Bench, workers: TwoWorkers
) -> None:
    workers.revoke(*range(1_000, 1_000 + UNLISTED_AT_MOST), project="blog")
    bench.source.refresh()
    workers.revoke(2)
    bench.source.refresh()
    workers.revoke()
    bench.source.refresh()
    workers.publish(2)
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.REVOKED]
