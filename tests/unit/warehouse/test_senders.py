from pathlib import Path

import pytest

from fairlot.events import ReceivedBatch
from fairlot.warehouse.log import SenderFigures, read_senders
from fairlot.warehouse.log_file import LogFile
from unit.warehouse.records import NOW_MS, conversion, received


def numbered(seq: int, events: int, **fields: int | str) -> ReceivedBatch:
    return received(*(conversion() for _ in range(events)), batch_seq=seq, **fields)


def write(directory: Path, worker: int, *batches: ReceivedBatch) -> None:
    file = LogFile(directory / f"worker-{worker}.sqlite")
    for batch in batches:
        file.append([], [], [batch])
    file.close()


def figures(directory: Path) -> SenderFigures:
    (only,) = read_senders(directory)
    return only


def test_read_senders__all_arrived__nothing_is_lost(tmp_path: Path) -> None:
    write(tmp_path, 0, numbered(1, 3), numbered(3, 2, events_before=8))
    write(tmp_path, 1, numbered(2, 5, events_before=3, received_at_ms=NOW_MS + 7))
    assert figures(tmp_path) == SenderFigures(
        project_id="prj_1",
        sender_id="s",
        source="sdk-python",
        batches=3,
        events=10,
        rejected=0,
        repeated_batches=0,
        missing_batches=0,
        lost_events=0,
        dropped=0,
        last_seen_ms=NOW_MS + 7,
    )


def test_read_senders__gaps__are_counted_until_they_are_filled(tmp_path: Path) -> None:
    write(tmp_path, 0, numbered(2, 5, events_before=3), numbered(5, 1, events_before=20))
    found = figures(tmp_path)
    assert (found.batches, found.missing_batches, found.lost_events) == (2, 3, 15)
    write(tmp_path, 1, numbered(1, 3), numbered(4, 4, events_before=16))
    found = figures(tmp_path)
    assert (found.missing_batches, found.lost_events) == (1, 8)
    write(tmp_path, 0, numbered(3, 8, events_before=8))
    found = figures(tmp_path)
    assert (found.batches, found.missing_batches, found.lost_events) == (5, 0, 0)


def test_read_senders__batch_that_came_again__counts_once(tmp_path: Path) -> None:
    again = numbered(1, 3)
    write(tmp_path, 0, again, again)
    write(tmp_path, 1, again)
    found = figures(tmp_path)
    assert (found.batches, found.events, found.repeated_batches) == (1, 3, 2)


def test_read_senders__dropped__is_the_most_that_was_said(tmp_path: Path) -> None:
    write(tmp_path, 0, numbered(1, 1, dropped_total=2), numbered(2, 1, dropped_total=9))
    write(tmp_path, 1, numbered(1, 1, dropped_total=4), numbered(3, 0, rejected=0))
    assert figures(tmp_path).dropped == 9


def test_read_senders__rejected_rows__were_received(tmp_path: Path) -> None:
    write(tmp_path, 0, received(conversion(), sent=4, rejected=3))
    found = figures(tmp_path)
    assert (found.events, found.rejected, found.lost_events) == (4, 3, 0)


def test_read_senders__numbers_that_do_not_fit__are_no_negative_loss(tmp_path: Path) -> None:
    write(tmp_path, 0, numbered(1, 5), numbered(2, 1, events_before=0))
    assert figures(tmp_path).lost_events == 0


def test_read_senders__several__each_in_its_project(tmp_path: Path) -> None:
    write(tmp_path, 0, numbered(1, 1, sender_id="z"), numbered(1, 1, sender_id="ä"))
    write(tmp_path, 1, numbered(9, 1, sender_id="z"), numbered(1, 1, project_id="prj_0"))
    found = [(each.project_id, each.sender_id) for each in read_senders(tmp_path)]
    assert found == [("prj_0", "s"), ("prj_1", "z"), ("prj_1", "ä")]
    (only,) = read_senders(tmp_path, project_id="prj_0")
    assert only.sender_id == "s"


@pytest.mark.parametrize("there", [True, False])
def test_read_senders__nothing_there__none(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "worker-0.sqlite").write_bytes(b"")
    assert list(read_senders(tmp_path)) == []
