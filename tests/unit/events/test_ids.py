import os
import threading
import time
import uuid

import pytest

from fairlot.events import derived_event_id, new_event_id, new_ulid
from fairlot.events.ids import EventIds

NOW_MS = 1_795_413_600_000


def test_event_id__any__is_a_uuid_of_version_7_with_its_time() -> None:
    parsed = uuid.UUID(EventIds().next(NOW_MS))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == NOW_MS


def test_event_ids__clock_stands_still_or_goes_back__still_rise() -> None:
    source = EventIds()
    ids = [source.next(NOW_MS - step % 3) for step in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000


def test_event_ids__many_threads__are_unique() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(new_event_id(NOW_MS + step // 100) for step in range(5000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({event_id for ids in made for event_id in ids}) == 20_000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_event_ids__in_a_forked_child__do_not_repeat_the_parents() -> None:
    now_ms = time.time_ns() // 1_000_000
    parents = new_event_id(now_ms)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, new_event_id(now_ms).encode())
        os._exit(0)
    os.waitpid(child, 0)
    with os.fdopen(read_end) as pipe:
        os.close(write_end)
        assert pipe.read()[:23] != parents[:23]


def test_derived_event_id__same_project_and_text__is_the_same_v5() -> None:
    first = derived_event_id("prj_a", "order-1")
    assert first == derived_event_id("prj_a", "order-1")
    assert uuid.UUID(first).version == 5
    assert first != derived_event_id("prj_b", "order-1")
    assert first != derived_event_id("prj_a", "order-2")


@pytest.mark.parametrize("text", ["", "order-1", "\u00e9\U0001f600", "x" * 500])
def test_derived_event_id__any_text__is_that_of_the_standard_library(text: str) -> None:
    of_all = uuid.UUID("6f1c5d0e-8a7b-5e7e-9d43-0b6f2f4b8f11")
    assert derived_event_id("prj_a", text) == str(uuid.uuid5(uuid.uuid5(of_all, "prj_a"), text))


def test_ulid__example_time__encodes_as_the_specification_does() -> None:
    # github.com/ulid/spec: 1469918176385 begins 01ARYZ6S41
    ulid = new_ulid(1469918176385)
    assert ulid.startswith("01ARYZ6S41")
    assert len(ulid) == 26
    assert ulid != new_ulid(1469918176385)
