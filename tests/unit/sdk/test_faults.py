import logging
from pathlib import Path

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
    assert caplog.messages[0] == "storage: ConnectionError"
    assert caplog.messages[1] == "storage: ConnectionError (and 59 more of this kind before)"
    assert {record.name for record in caplog.records} == {"fairlot"}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def failing_with(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - to be reported
        return caught


class DatabaseFault(Exception):
    code = "gkpj"  # as SQLAlchemy's have


@pytest.mark.parametrize("kind", [KeyError, DatabaseFault])
def test_report__exception_of_the_users__the_warning_says_where_but_does_not_quote_it(
    kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fairlot"):
        Faults(FrozenClock()).report("storage", failing_with(kind("anna")))
    warning, whole = caplog.records
    line = failing_with.__code__.co_firstlineno + 2
    assert warning.getMessage() == (
        f"storage: {kind.__name__} in failing_with, {Path(__file__)}:{line}"
    )
    assert warning.exc_info is None
    assert whole.levelno == logging.DEBUG
    assert whole.exc_info is not None
    assert "anna" in str(whole.exc_info[1])


def test_report__fault_of_ours__in_its_own_words(caplog: pytest.LogCaptureFixture) -> None:
    Faults(FrozenClock()).report("x", ManifestUnavailable("https://m.example/x", "status 500"))
    assert caplog.messages == ["x: the manifest at https://m.example/x is unavailable: status 500"]


def test_report__from_a_signal_handler_of_the_reporting_thread__does_not_hang() -> None:
    faults = Faults(FrozenClock())
    with faults._lock:
        assert faults.report("storage", "a")


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
