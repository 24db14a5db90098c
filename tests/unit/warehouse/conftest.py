"""Event logs that are closed at the end of their test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.warehouse.log import EventLog

OpenLog = Callable[..., EventLog]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[OpenLog]:
    """Opens a log in `tmp_path`, with the options of EventLog.open."""
    opened: list[EventLog] = []

    def open_one(**options: Any) -> EventLog:
        log = EventLog.open(tmp_path, **options)
        opened.append(log)
        return log

    yield open_one
    for log in opened:
        log.close(1)
