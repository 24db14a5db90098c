"""What can be stored of a subject: whatever else is refused before it is queued."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fairlot.events.properties import content_problem
from fairlot.events.rows import is_sound
from fairlot.events.sent import MAX_INTEGER, MAX_SUBJECT_CHARS
from fairlot.profiles import MAX_ATTRIBUTES_BYTES, IdentifierKind
from fairlot.service.profiles.errors import ChangeRefused
from fairlot.service.profiles.work import Work

MAX_IDENTIFIER_CHARS: Final = 3 * MAX_SUBJECT_CHARS
MAX_SOURCE_CHARS: Final = 12 * MAX_SUBJECT_CHARS + 5
"""As it is kept: two texts in JSON, where one character may become six."""
MAX_EVENT_NAME_CHARS: Final = 1_000
MAX_EVENT_NAME_BYTES: Final = 2_400
"""In UTF-8: what an index of PostgreSQL can hold beside the rest."""
_EVENT_ID_CHARS: Final = 36


def attributes_problem(attributes: Mapping[str, Any]) -> str | None:
    """What is wrong with the attributes of a profile or an account, all together, if anything."""
    return content_problem(attributes, MAX_ATTRIBUTES_BYTES)


def content_refused(attributes: Mapping[str, Any]) -> str | None:
    """What is wrong with them, however many they are."""
    return content_problem(attributes, MAX_INTEGER)


def is_long_name(name: str) -> bool:
    """Whether an event cannot be called so."""
    if len(name) > MAX_EVENT_NAME_CHARS:
        return True
    return not name.isascii() and len(name.encode(errors="replace")) > MAX_EVENT_NAME_BYTES


def check_work(work: Work) -> None:
    """Raises ChangeRefused. The attributes are checked when they are known: when it is applied."""
    for field, text, most in _texts(work):
        if not 1 <= len(text) <= most:
            raise ChangeRefused(field, f"use 1 to {most} characters")
        if not is_sound(text):
            raise ChangeRefused(field, "holds U+0000 or half a surrogate pair; send whole ones")
    if any(is_long_name(each.name) for each in work.happenings):
        raise ChangeRefused("event_name", f"over {MAX_EVENT_NAME_BYTES} bytes in UTF-8")
    for field, moment in _moments(work):
        if not 0 <= moment <= MAX_INTEGER:
            raise ChangeRefused(field, "is no moment in milliseconds since the epoch")


def _texts(work: Work) -> Iterator[tuple[str, str, int]]:
    """Field, text, and how long it may be."""
    for identifier in work.claim.identifiers:
        is_source = identifier.kind is IdentifierKind.SOURCE
        most = MAX_SOURCE_CHARS if is_source else MAX_IDENTIFIER_CHARS
        yield identifier.kind.value, identifier.value, most
    if work.account_id is not None:
        yield "account_id", work.account_id, MAX_SUBJECT_CHARS
    if work.session_id is not None:
        yield "session_id", work.session_id, MAX_SUBJECT_CHARS
    for happening in work.happenings:
        yield "event_id", happening.event_id, _EVENT_ID_CHARS
        yield "event_name", happening.name, MAX_EVENT_NAME_CHARS


def _moments(work: Work) -> Iterator[tuple[str, int]]:
    yield "at", work.at_ms
    for happening in work.happenings:
        yield "at", happening.at_ms
