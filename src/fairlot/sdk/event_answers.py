"""What the answer to a batch of events means, and what is reported when it is not a plain yes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import msgspec

from fairlot.engine import FairlotError
from fairlot.sdk.backoff import retry_after_s
from fairlot.sdk.endpoints import shown_url
from fairlot.sdk.transport import HttpResponse

LONGEST_ASKED_PAUSE_S = 300.0


class Verdict(Enum):
    """`TAKEN`: all rows but the refused ones are durable. `AGAIN`: soon. `SLOWLY`: somebody has to
    mend something first. `SMALLER`: these bytes will never be taken, a part of them may be."""

    TAKEN = auto()
    AGAIN = auto()
    SLOWLY = auto()
    SMALLER = auto()


class EventsNotSent(FairlotError):
    """The server was not there or could not take events; they are kept and sent again."""

    code = "events_not_sent"

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem
        super().__init__(
            f"events for {shown_url(url)}: {problem}: they are kept and sent again by themselves"
        )


class EventsRefused(FairlotError):
    """The server will not take events as things are; they are kept and tried once a minute."""

    code = "events_refused"

    def __init__(self, url: str, problem: str, fix: str) -> None:
        self.url = url
        self.problem = problem
        self.fix = fix
        super().__init__(
            f"events for {shown_url(url)}: {problem}: {fix}; they are kept and tried once a minute"
        )


class EventsRejected(FairlotError):
    """Events that can never be taken; they are left out and counted as rejected."""

    code = "events_rejected"

    def __init__(self, count: int, problem: str) -> None:
        self.count = count
        self.problem = problem
        super().__init__(f"{count} event{'s'[: count != 1]} rejected: {problem}")


class EventsDropped(FairlotError):
    """Events that were given up undelivered: `count` since the last report, `total` so far."""

    code = "events_dropped"

    def __init__(self, count: int, total: int, problem: str) -> None:
        self.count = count
        self.total = total
        self.problem = problem
        events = f"{count} event{'s'[: count != 1]}"
        super().__init__(f"{events} dropped, {total} in all: {problem}")


@dataclass(frozen=True, slots=True)
class Answer:
    """`rejected` are the positions of the refused rows; `error` is what to report, if anything."""

    verdict: Verdict
    rejected: frozenset[int] = frozenset()
    retry_after_s: float | None = None
    error: FairlotError | None = None


class _RejectedRow(msgspec.Struct, frozen=True):
    index: int
    detail: str
    field: str | None = None


class _Taken(msgspec.Struct, frozen=True):
    accepted: int
    rejected: tuple[_RejectedRow, ...] = ()


class _Problem(msgspec.Struct, frozen=True):
    detail: str


_VERDICTS: Final[Mapping[int, Verdict]] = {
    400: Verdict.SMALLER,
    408: Verdict.AGAIN,
    413: Verdict.SMALLER,
    422: Verdict.SMALLER,
    425: Verdict.AGAIN,
    429: Verdict.AGAIN,
}
_FIXES: Final[Mapping[int, str]] = {
    401: "set api_key to a key of the project that is not revoked or expired",
    403: "give the API key the scope `ingest`, or take one that has it",
    404: "check organization and project in events_url or manifest_url",
}
_OTHER_FIX: Final = "check that events_url is the one of a Fairlot server"
# The server's words on these quote what may name a person, and what is reported is logged.
_PERSONAL: Final = frozenset(
    {
        "event_id",
        "properties",
        "session_id",
        "subject_id",
        "tenant_id",
        "unit_id",
        "url",
        "user_id",
    }
)
# The body may be anybody's: one that is nested deeply enough ends the decoder's recursion.
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_answer(url: str, response: HttpResponse, rows: int, now_ms: int) -> Answer:
    """The answer to a batch of `rows` events."""
    status = response.status
    if 200 <= status < 300:
        return _read_taken(url, response, rows)
    problem = f"{status}{_detail(response.body)}"
    verdict = _VERDICTS.get(status) or (Verdict.AGAIN if status >= 500 else Verdict.SLOWLY)
    if verdict is Verdict.SMALLER:
        return Answer(verdict, error=EventsRejected(rows, problem))
    asked_s = retry_after_s(response.headers, now_ms)
    pause_s = None if asked_s is None else min(asked_s, LONGEST_ASKED_PAUSE_S)
    error = (
        EventsNotSent(url, problem)
        if verdict is Verdict.AGAIN
        else EventsRefused(url, problem, _FIXES.get(status, _OTHER_FIX))
    )
    return Answer(verdict, retry_after_s=pause_s, error=error)


def _read_taken(url: str, response: HttpResponse, rows: int) -> Answer:
    """A page of somebody else that says 200 is no acknowledgement."""
    try:
        taken = msgspec.json.decode(response.body, type=_Taken)
    except _UNREADABLE:
        problem = f"{response.status} without a count of what was accepted"
        return Answer(Verdict.SLOWLY, error=EventsRefused(url, problem, _OTHER_FIX))
    refused = {row.index: row for row in taken.rejected if 0 <= row.index < rows}
    if not refused:
        return Answer(Verdict.TAKEN)
    problem = _problem_of(next(iter(refused.values())))
    return Answer(Verdict.TAKEN, frozenset(refused), error=EventsRejected(len(refused), problem))


def _problem_of(row: _RejectedRow) -> str:
    """Without the event id too: that of a holdout's exposure holds the unit's."""
    if not row.field:
        return "the event as a whole is not what the server takes"
    if row.field.partition(".")[0] in _PERSONAL:
        return f"{row.field}: not what the server takes"
    return f"{row.field}: {row.detail}"


def _detail(body: bytes) -> str:
    try:
        detail = msgspec.json.decode(body, type=_Problem).detail
    except _UNREADABLE:
        return ""
    return f", {detail[:300]}"
