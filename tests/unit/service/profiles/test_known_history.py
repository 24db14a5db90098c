"""What is known of one profile's history: by name, kept up, and no longer than anybody asks for."""

from fairlot.profiles import Occurrence
from fairlot.service.profiles.known_history import KnownHistory, ReadHistory
from fairlot.store.profiles.event_rows import HISTORY_PER_NAME, FoundHistory


def moments(history: KnownHistory, name: str) -> list[int] | None:
    known = history.of(name)
    return None if known is None else [each.at_ms for each in known.found.latest]


def test_known_history__nothing_read__adds_nothing() -> None:
    history = KnownHistory()
    history.add("view", Occurrence(1), 100)
    assert (moments(history, "view"), history.size) == (None, 0)


def test_known_history__whole__is_empty_before_it_is_added_to() -> None:
    history = KnownHistory(is_whole=True)
    assert moments(history, "view") == []
    for at_ms in (2, 3, 1):
        history.add("view", Occurrence(at_ms), 100)
    assert (moments(history, "view"), history.size) == ([3, 2, 1], 300)


def test_known_history__read_again__weighs_what_it_is_now() -> None:
    history = KnownHistory()
    history.put("view", ReadHistory(5, FoundHistory([Occurrence(7)], 100)))
    history.put("buy", ReadHistory(0, FoundHistory([Occurrence(8)], 10)))
    history.put("view", ReadHistory(0, FoundHistory([Occurrence(7), Occurrence(3)], 200)))
    assert (moments(history, "view"), history.size) == ([7, 3], 210)


def test_known_history__longer_than_is_asked_for__forgets_that_name_alone() -> None:
    history = KnownHistory(is_whole=True)
    history.add("buy", Occurrence(1), 10)
    for at_ms in range(HISTORY_PER_NAME):
        history.add("view", Occurrence(at_ms), 100)
    history.forget_long()
    assert history.is_whole
    history.add("view", Occurrence(HISTORY_PER_NAME), 100)
    history.forget_long()
    assert (moments(history, "view"), moments(history, "buy"), history.size) == (None, [1], 10)
    assert not history.is_whole
