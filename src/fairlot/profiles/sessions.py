"""When a visit begins, and when somebody comes back."""

from typing import Final

import msgspec

from fairlot.engine import VisitorStatus
from fairlot.profiles.records import Profile, Sessions

SESSION_GAP_MS: Final = 30 * 60 * 1000
"""A session without an id of its own ends after so long without a request."""
SEEN_EVERY_MS: Final = 60 * 1000
"""That somebody who asks all the time is still there is written so often."""


def seen(profile: Profile, at_ms: int, session_id: str | None) -> Profile:
    """The profile after a request at `at_ms`; what is older than the latest changes nothing."""
    if profile.sessions.count and at_ms < profile.sessions.last_at_ms:
        return profile
    return msgspec.structs.replace(
        profile,
        last_seen_at_ms=max(at_ms, profile.last_seen_at_ms),
        sessions=_next(profile.sessions, at_ms, session_id),
    )


def is_news(profile: Profile, at_ms: int, session_id: str | None) -> bool:
    """Whether `seen` is worth a write: a new session, or nothing of SEEN_EVERY_MS."""
    sessions = profile.sessions
    return at_ms - sessions.last_at_ms >= SEEN_EVERY_MS or not _goes_on(sessions, at_ms, session_id)


def joined_sessions(older: Sessions, younger: Sessions) -> Sessions:
    """Of a profile that two became. Visits that overlap are one: somebody logs in during it."""
    latest = max(younger, older, key=lambda each: each.last_at_ms)
    count = older.count + younger.count
    if older.count and younger.count and _overlap(older, younger):
        count -= 1
    return msgspec.structs.replace(latest, count=count)


def visitor_status(profile: Profile | None) -> VisitorStatus:
    """New throughout the first session, returning from the second on."""
    is_new = profile is None or profile.sessions.count <= 1
    return VisitorStatus.NEW if is_new else VisitorStatus.RETURNING


def _next(sessions: Sessions, at_ms: int, session_id: str | None) -> Sessions:
    if _goes_on(sessions, at_ms, session_id):
        return msgspec.structs.replace(sessions, id=sessions.id or session_id, last_at_ms=at_ms)
    return Sessions(count=sessions.count + 1, id=session_id, started_at_ms=at_ms, last_at_ms=at_ms)


def _goes_on(sessions: Sessions, at_ms: int, session_id: str | None) -> bool:
    if sessions.count == 0:
        return False
    if session_id is not None and sessions.id is not None:
        return session_id == sessions.id
    return at_ms - sessions.last_at_ms <= SESSION_GAP_MS


def _overlap(one: Sessions, other: Sessions) -> bool:
    return (
        one.started_at_ms <= other.last_at_ms + SESSION_GAP_MS
        and other.started_at_ms <= one.last_at_ms + SESSION_GAP_MS
    )
