"""Histories within one transaction, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlot.profiles import Happening
from fairlot.service.profiles.histories import Histories, Wanted
from fairlot.store.profiles import open_profile_store

DAY_MS = 86_400_000


@pytest.fixture
def histories(tmp_path: Path, database_url: str | None) -> Iterator[Histories]:
    store = open_profile_store(tmp_path, database_url)
    with store.writing() as connection:
        yield Histories(connection)
    store.close()


def add(histories: Histories, profile_id: str, name: str, *moments_ms: int) -> None:
    for at_ms in moments_ms:
        event_id = f"{profile_id}-{name}-{at_ms}"
        happening = Happening(event_id=event_id, name=name, at_ms=at_ms)
        histories.add("prj_1", profile_id, happening)


def moments(histories: Histories, profile_id: str, name: str, at_ms: int) -> list[int]:
    found = histories.of(profile_id, {name: DAY_MS}, at_ms)
    return [each.at_ms for each in found[name]]


def test_history__of_a_profile_just_made__is_whole_also_when_it_was_written_between(
    histories: Histories,
) -> None:
    histories.begin("pro_1")
    add(histories, "pro_1", "view", 1, 3)
    histories.write()
    add(histories, "pro_1", "view", 2)
    add(histories, "pro_1", "buy", 2)
    assert moments(histories, "pro_1", "view", 4) == [3, 2, 1]
    assert moments(histories, "pro_1", "buy", 4) == [2]
    assert moments(histories, "pro_1", "click", 4) == []


def test_history__read_ahead__is_that_of_each_name_and_kept_up(histories: Histories) -> None:
    start = 10 * DAY_MS
    add(histories, "pro_1", "view", start, start + 2)
    add(histories, "pro_1", "buy", start - DAY_MS, start + 1)
    add(histories, "pro_2", "view", start + 3)
    histories.read(
        [
            Wanted("pro_1", "view", start + 1),
            Wanted("pro_1", "buy", start - 2 * DAY_MS),
            Wanted("pro_2", "view", start),
        ]
    )
    add(histories, "pro_1", "view", start + 1)
    assert moments(histories, "pro_1", "view", start + 2) == [start + 2, start + 1, start]
    assert moments(histories, "pro_1", "buy", start) == [start + 1, start - DAY_MS]
    assert moments(histories, "pro_2", "view", start) == [start + 3]


def test_history__events_moved__are_the_others(histories: Histories) -> None:
    histories.begin("pro_1")
    histories.begin("pro_2")
    add(histories, "pro_1", "view", 1)
    add(histories, "pro_2", "view", 2)
    histories.move("pro_2", "pro_1")
    assert moments(histories, "pro_1", "view", 3) == [2, 1]
    assert moments(histories, "pro_2", "view", 3) == []
