from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import Reason
from fairlot.service.moves import counting
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.moves.questions import Counts
from fairlot.warehouse.log import EventLog
from support.shop_log import NOW_MS, PROJECT_ID, closing_log, exposure_of

BY_OTHERS = Counts(99, 0, {})


@pytest.mark.parametrize(
    ("limits", "processes", "expected"),
    [
        ({}, 2, 2),
        ({"_LARGE_ROWS": 2}, 2, 99),
        ({"_LARGE_ROWS": 2}, 1, 2),
        ({"_LARGE_BYTES": 4_096}, 2, 99),
    ],
    ids=["a small log", "many exposures", "one processor", "a large file, of whatever it is full"],
)
def test_count__log__shared_with_other_processes_when_it_is_large(
    limits: dict[str, int],
    processes: int,
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_others(*_asked: Any) -> Counts:
        return BY_OTHERS

    with closing_log(EventLog.open(tmp_path)) as log:
        for subject in ("ann", "bob"):
            log.record(exposure_of("hero", subject, "a", Reason.BUCKET, NOW_MS), None)
    monkeypatch.setattr(counting, "_count_by_others", by_others)
    for name, limit in limits.items():
        monkeypatch.setattr(counting, name, limit)
    known = KnownSubjects(tmp_path, PROJECT_ID, 0, processes)
    assert known.count([]).subjects == expected
