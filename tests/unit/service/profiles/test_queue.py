"""What is taken from the queue at once, and what it refuses."""

import time

import pytest

from fairlot.profiles import Happening, claim_of_subject
from fairlot.service.profiles import CHANGES_PER_COMMIT, ChangeRefused, ProfilesUnavailable, Work
from fairlot.service.profiles.queue import CHANGES_TOGETHER, Task, WorkQueue

NOW_MS = 1_790_000_000_000


def a_queue(bound: int = 50_000) -> WorkQueue:
    return WorkQueue(bound, time.monotonic)


def a_work(happenings: int) -> Work:
    happened = [
        Happening(event_id=f"e{number}", name="view", at_ms=NOW_MS) for number in range(happenings)
    ]
    return Work("prj_1", claim_of_subject("anna"), NOW_MS, happenings=happened)


def taken_of(*tasks: Task) -> list[list[Task]]:
    """What goes into each commit until nothing waits."""
    queue = a_queue()
    for task in tasks:
        queue.put(task)
    queue.close(within_s=5)
    commits = []
    while commit := queue.take():
        commits.append(commit)
    return commits


@pytest.mark.parametrize(
    ("happenings", "in_a_commit"),
    [
        pytest.param(0, CHANGES_PER_COMMIT, id="a work without any is one change"),
        pytest.param(1, CHANGES_PER_COMMIT, id="a happening is one"),
        pytest.param(400, 2, id="a work is as many as its happenings"),
        pytest.param(500, 2, id="exactly full"),
        pytest.param(501, 1, id="a second one would be too many"),
        pytest.param(CHANGES_PER_COMMIT + 1, 1, id="too many alone go alone"),
    ],
)
def test_take__many_works__as_many_changes_as_a_commit_may_hold(
    happenings: int, in_a_commit: int
) -> None:
    work = a_work(happenings)
    tasks = [Task((work,)) for _ in range(2 * in_a_commit + 1)]
    commits = taken_of(*tasks)
    assert [len(each) for each in commits] == [in_a_commit, in_a_commit, 1]
    assert [task for commit in commits for task in commit] == tasks


def test_take__works_that_belong_together__are_never_apart() -> None:
    before, after = Task((a_work(1),)), Task((a_work(1),))
    together = Task([a_work(2)] * CHANGES_PER_COMMIT)
    assert taken_of(before, together, after) == [[before], [together], [after]]


def test_put__more_changes_together_than_a_transaction_may_hold__refused_with_their_number() -> (
    None
):
    queue = a_queue()
    half = a_work(CHANGES_TOGETHER // 2)
    queue.put(Task((half, half)))
    with pytest.raises(ChangeRefused, match=r"changes: 20,001 at once; send at most 20,000"):
        queue.put(Task((half, half, a_work(0))))
    assert queue.length == CHANGES_TOGETHER


def test_put__what_waits__is_counted_by_changes_until_it_is_settled() -> None:
    queue = a_queue(bound=10)
    queue.put(Task((a_work(6),)))
    queue.put(Task((a_work(0), a_work(2))))
    assert queue.length == 9
    with pytest.raises(ProfilesUnavailable, match="too much waits"):
        queue.put(Task((a_work(2),)))
    queue.put(Task((a_work(1),)))
    queue.settle((task, []) for task in queue.take())
    assert queue.length == 0
