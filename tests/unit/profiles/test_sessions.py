"""When a visit begins, and when somebody comes back."""

import pytest

from fairlot.engine import VisitorStatus
from fairlot.profiles import Profile
from fairlot.profiles.sessions import SESSION_GAP_MS, seen, visitor_status

START_MS = 1_790_000_000_000
NEW = Profile(id="pro_1", project_id="prj_1", subject_id="a", created_at_ms=0, last_seen_at_ms=0)


def visits(*requests: tuple[int, str | None]) -> int:
    profile = NEW
    for at_ms, session_id in requests:
        profile = seen(profile, START_MS + at_ms, session_id)
    return profile.sessions.count


@pytest.mark.parametrize(
    ("requests", "count"),
    [
        ([(0, None), (SESSION_GAP_MS, None)], 1),
        ([(0, None), (SESSION_GAP_MS + 1, None)], 2),
        ([(0, "s1"), (10 * SESSION_GAP_MS, "s1")], 1),
        ([(0, "s1"), (1, "s2")], 2),
        ([(0, None), (1, "s1"), (2, "s2")], 2),
        ([(0, "s1"), (1, None)], 1),
    ],
)
def test_seen__requests__make_so_many_visits(
    requests: list[tuple[int, str | None]], count: int
) -> None:
    assert visits(*requests) == count


def test_seen__older_than_the_latest__changes_nothing() -> None:
    now = seen(NEW, START_MS, "s1")
    assert seen(now, START_MS - 1, "s0") is now


def test_visitor_status__throughout_the_first_visit__is_new() -> None:
    once = seen(NEW, START_MS, "s1")
    assert visitor_status(None) is visitor_status(NEW) is visitor_status(once) is VisitorStatus.NEW
    assert visitor_status(seen(once, START_MS + 1, "s2")) is VisitorStatus.RETURNING
