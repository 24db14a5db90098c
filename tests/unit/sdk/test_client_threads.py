"""Deciding while the manifest is swapped: nobody waits, and nobody sees half of two versions."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fairlot import Client, InMemoryStorage, TreatmentResult
from fairlot.engine import Experiment, Variant
from support.sdk_clients import Site, a_manifest, a_request, a_site, an_experiment

TASKS = 1_000
VERSIONS = 40


def of_version(version: int) -> Experiment:
    """Everything about it says which version it belongs to."""
    key = f"v{version}"
    variants = (
        Variant(key, f"id-{key}", weight=10_000, payload=version),
        Variant(f"{key}-other", weight=0),
    )
    return an_experiment(variants=variants, metadata={"version": version})


def is_whole(result: TreatmentResult) -> bool:
    key = f"v{result.manifest_version}"
    return (
        (result.variant_key, result.variant_id) == (key, f"id-{key}")
        and result.payload == result.manifest_version
        and result.reason in ("bucket", "sticky")
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with a_site(of_version(0)) as made:
        made.client.set_manifest(a_manifest(of_version(0), version=0))
        yield made


def swap_often(client: Client, until: threading.Event) -> int:
    version = 0
    while not until.is_set() and version < 100_000:
        version += 1
        client.set_manifest(a_manifest(of_version(version), version=version))
    return version


@pytest.mark.slow
def test_thousand_threads__swaps_meanwhile__each_result_is_of_one_version(site: Site) -> None:
    done, results = threading.Event(), list[TreatmentResult]()
    swapped: list[int] = []
    swapper = threading.Thread(target=lambda: swapped.append(swap_often(site.client, done)))
    swapper.start()

    def decide(number: int) -> None:
        for _ in range(3):
            results.append(site.client.treatment("hero", f"user-{number}"))
            results.append(site.client.treatment("hero", f"user-{number}", a_request("a=b")))

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(TASKS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    swapper.join()
    assert len(results) == TASKS * 6
    assert all(map(is_whole, results))
    assert len({result.manifest_version for result in results}) > 1
    assert swapped[0] >= len({result.manifest_version for result in results}) - 1
    assert site.faults == {}


def test_thousand_tasks__swaps_meanwhile__each_result_is_of_one_version(site: Site) -> None:
    async def decide(number: int) -> list[TreatmentResult]:
        first = site.client.treatment("hero", f"user-{number}", a_request("a=b"))
        await asyncio.sleep(0)
        return [first, site.client.treatment("hero", f"user-{number}")]

    async def swap() -> None:
        for version in range(1, VERSIONS):
            site.client.set_manifest(a_manifest(of_version(version), version=version))
            await asyncio.sleep(0)

    async def all_of_it() -> list[TreatmentResult]:
        swapping = asyncio.create_task(swap())
        found = await asyncio.gather(*map(decide, range(TASKS)))
        await swapping
        return [result for pair in found for result in pair]

    results = asyncio.run(all_of_it())
    assert len(results) == 2 * TASKS
    assert all(map(is_whole, results))


def test_in_memory_storage__many_threads__bounded_and_without_a_fault() -> None:
    storage = InMemoryStorage(50)
    with a_site(an_experiment(), storage=storage) as site:

        def decide(thread: int) -> None:
            for number in range(300):
                site.client.treatment("hero", f"{thread}-{number}")

        threads = [threading.Thread(target=decide, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(storage) <= 50
        assert site.faults == {}


LOCKS = (type(threading.Lock()), type(threading.RLock()))


def locks_of(root: object) -> list[Any]:
    """Every lock that can be reached from an object, but not through modules, classes or code."""
    found, seen, waiting = [], {id(root)}, [root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, LOCKS):
            found.append(each)
            continue
        for next_one in gc.get_referents(each):
            is_ours = type(next_one).__module__.startswith(("fairlot", "threading", "builtins"))
            is_code = isinstance(next_one, type) or type(next_one).__name__ == "module"
            is_globals = isinstance(next_one, dict) and "__builtins__" in next_one
            skipped = not is_ours and not isinstance(next_one, LOCKS)
            if id(next_one) not in seen and not (is_code or is_globals or skipped):
                seen.add(id(next_one))
                waiting.append(next_one)
    return found


def test_decision__every_lock_of_the_client_is_held__does_not_wait() -> None:
    """With cookie storage, delivery and the check for staleness, as in production."""
    with a_site(an_experiment(), api_key="fx_key_12345678.secret") as site:
        locks = locks_of(site.client)
        assert len(locks) >= 6
        assert site.client._holding._changing in locks
        held, decided, release = threading.Event(), threading.Event(), threading.Event()

        def hold() -> None:
            for lock in locks:
                lock.acquire()
            held.set()
            release.wait(30)
            for lock in locks:
                lock.release()

        def decide() -> None:
            for number in range(100):
                context = a_request("fx.hero=bold; fx.gone=1" if number % 2 else None)
                site.client.treatment("hero", f"user-{number}")
                site.client.treatment("hero", f"user-{number}", context)
            decided.set()

        threads = [threading.Thread(target=each, daemon=True) for each in (hold, decide)]
        threads[0].start()
        assert held.wait(10)
        threads[1].start()
        was_decided = decided.wait(10)
        release.set()
        for thread in threads:
            thread.join(10)
        assert was_decided
