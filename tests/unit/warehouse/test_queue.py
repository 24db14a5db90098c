from fairlot.warehouse.queue import COMMIT_WEIGHT, RecordQueue
from unit.warehouse.records import assignment, exposure


def test_take__more_than_one_commit_should_take__the_oldest_first() -> None:
    queue = RecordQueue(10 * COMMIT_WEIGHT)
    half = [exposure()] * (COMMIT_WEIGHT // 2)
    tickets = [queue.put_all(half, []) for _ in range(5)]
    taken = []
    while queue.stats().queued:
        assert queue.wait_for_records()
        batch = queue.take()
        taken.append((len(batch.exposures), batch.last_ticket))
        queue.mark_committed(batch, 0, 0)
    assert taken == [
        (COMMIT_WEIGHT, tickets[1]),
        (COMMIT_WEIGHT, tickets[3]),
        (COMMIT_WEIGHT // 2, tickets[4]),
    ]


def test_pending__answers_of_several_commits__the_latest() -> None:
    queue = RecordQueue(10 * COMMIT_WEIGHT)
    for variant_key in ("red", "green", "blue"):
        queue.put_all([exposure()] * COMMIT_WEIGHT, [assignment("anna", variant_key)])
    queue.put_all([exposure()], [assignment("bo", "red")])
    for last in ("blue", "blue", "blue"):
        found = queue.pending(("exp_1", "anna"))
        assert found is not None and found.variant_key == last
        queue.mark_committed(queue.take(), 0, 0)
    assert queue.pending(("exp_1", "anna")) is None
    assert queue.pending(("exp_1", "bo")) is not None
