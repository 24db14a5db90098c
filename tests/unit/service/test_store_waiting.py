import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fairlot.service import store_waiting
from fairlot.service.store_waiting import open_when_there
from fairlot.store import Store, StoreAway, StoreUnusable
from support.serving import NoStore


def failing(*errors: Exception) -> Callable[[], Store]:
    """Opens after it has failed so."""
    left = list(errors)

    def open_it() -> Store:
        if left:
            raise left.pop(0)
        return NoStore()

    return open_it


AWAY = StoreAway("postgresql://db/shop", "cannot be opened (refused)", "start the server")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_waiting, "_PAUSE_S", 0.01)


def test_open_when_there__away_for_a_while__is_opened_and_told_once() -> None:
    tries: list[int] = []
    with capture_logs() as logs:
        opened = open_when_there(failing(AWAY, AWAY, AWAY), lambda: tries.append(1))
        assert isinstance(asyncio.run(opened), NoStore)
    assert len(tries) == 4
    assert [log["event"] for log in logs] == ["server.waits_for_the_store"]


def test_open_when_there__unusable_for_good__is_not_tried_again(tmp_path: Path) -> None:
    unusable = StoreUnusable(tmp_path, "is full", "empty it")
    with pytest.raises(StoreUnusable):
        asyncio.run(open_when_there(failing(unusable), lambda: None))


def test_open_when_there__away_for_too_long__is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_waiting, "GIVE_UP_AFTER_S", 0.0)
    with pytest.raises(StoreAway), capture_logs():
        asyncio.run(open_when_there(failing(*[AWAY] * 1000), lambda: None))


def test_open_when_there__asked_to_stop__is_given_up_and_the_signal_handled() -> None:
    handled: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: handled.append(number))
    try:
        with pytest.raises(StoreAway), capture_logs():
            asyncio.run(
                open_when_there(
                    failing(*[AWAY] * 1000), lambda: os.kill(os.getpid(), signal.SIGTERM)
                )
            )
        assert handled == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert handled == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)
