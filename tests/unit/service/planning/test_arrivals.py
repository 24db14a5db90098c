"""New subjects by day, out of the whole log."""

from pathlib import Path

import pytest

from fairlot.service.planning import NothingRecorded, arrivals_of_log
from fairlot.warehouse.lake import open_lake, write_events
from support.patients import DAY_MS, START_MS, Patient, exposures_of

MIDNIGHT_MS = START_MS - START_MS % DAY_MS


def test_arrivals__returning_subjects_and_today__count_once_and_not_yet(tmp_path: Path) -> None:
    """Two come on day 0, one of them again on day 2, one on day 2; day 3 is today."""
    days = {"a": (0, 2), "b": (0,), "c": (2,), "d": (3,)}
    seen = [
        Patient(
            name, "a", MIDNIGHT_MS + day * DAY_MS + 1, "mobile", [], {"event_id": f"{name}{day}"}
        )
        for name, each in days.items()
        for day in each
    ]
    write_events(tmp_path, [event for patient in seen for event in exposures_of(patient)])
    now_ms = MIDNIGHT_MS + 3 * DAY_MS + 5_000
    with open_lake(tmp_path, "prj_1") as lake:
        assert arrivals_of_log(lake, "UTC", now_ms) == (2, 0, 1)
    nothing = pytest.raises(NothingRecorded, match="this project: no subject")
    with open_lake(tmp_path, "prj_2") as lake, nothing:
        arrivals_of_log(lake, "UTC", now_ms)
