import logging

import pytest

from fairlot.sdk.errors import ManifestUnavailable
from fairlot.sdk.faults import Faults
from fairlot.testing import FrozenClock


def test_report__many_in_an_hour__counted_all_and_told_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FrozenClock()
    faults = Faults(clock)
    for _ in range(3600):
        faults.report("storage", ConnectionError("gone"))
        clock.advance(1)
    assert faults.counts == {"storage": 3600}
    assert len(caplog.records) == 60
    assert caplog.messages[0] == "storage: ConnectionError: gone"
    assert caplog.messages[1] == "storage: ConnectionError: gone (and 59 more of this kind before)"
    assert {record.name for record in caplog.records} == {"fairlot"}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_report__two_kinds__each_is_told(caplog: pytest.LogCaptureFixture) -> None:
    faults = Faults(FrozenClock())
    assert faults.report("storage", "a")
    assert faults.report("excluded", "b")
    assert not faults.report("storage", "a")
    assert caplog.messages == ["storage: a", "excluded: b"]


def test_report_refresh__callback__called_as_often_as_it_is_told() -> None:
    clock, told = FrozenClock(), list[Exception]()
    faults = Faults(clock, told.append)
    error = ManifestUnavailable("https://m.example/x", "status 500")
    for _ in range(100):
        faults.report_refresh(error)
        clock.advance(30)
    assert told == [error] * 50
    assert faults.counts == {"manifest_unavailable": 100}


def test_report_refresh__callback_that_raises__counted() -> None:
    def broken(_error: Exception) -> None:
        raise LookupError

    faults = Faults(FrozenClock(), broken)
    faults.report_refresh(OSError("x"))
    assert faults.counts == {"refresh": 1, "callback": 1}
