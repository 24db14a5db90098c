from email.utils import formatdate

import msgspec
import pytest

from fairlot.sdk.event_answers import (
    LONGEST_ASKED_PAUSE_S,
    EventsNotSent,
    EventsRefused,
    EventsRejected,
    Verdict,
    read_answer,
)
from fairlot.sdk.transport import HttpResponse
from support.event_server import URL

NOW_MS = 1_767_225_600_000


@pytest.mark.parametrize(
    ("status", "verdict", "error"),
    [
        (400, Verdict.SMALLER, EventsRejected),
        (413, Verdict.SMALLER, EventsRejected),
        (422, Verdict.SMALLER, EventsRejected),
        (408, Verdict.AGAIN, EventsNotSent),
        (429, Verdict.AGAIN, EventsNotSent),
        (500, Verdict.AGAIN, EventsNotSent),
        (503, Verdict.AGAIN, EventsNotSent),
        (599, Verdict.AGAIN, EventsNotSent),
        (301, Verdict.SLOWLY, EventsRefused),
        (401, Verdict.SLOWLY, EventsRefused),
        (403, Verdict.SLOWLY, EventsRefused),
        (404, Verdict.SLOWLY, EventsRefused),
        (410, Verdict.SLOWLY, EventsRefused),
    ],
)
def test_answer__status__says_what_to_do(
    status: int, verdict: Verdict, error: type[Exception]
) -> None:
    answer = read_answer(URL, HttpResponse(status, {}, b"<html>"), 3, NOW_MS)
    assert answer.verdict is verdict
    assert type(answer.error) is error
    assert str(status) in str(answer.error)


def test_answer__unauthorized__names_server_problem_and_fix() -> None:
    body = b'{"title":"Unauthorized","status":401,"detail":"the key was revoked"}'
    answer = read_answer(f"{URL}?signature=secret", HttpResponse(401, {}, body), 3, NOW_MS)
    assert str(answer.error) == (
        f"events for {URL}: 401, the key was revoked: set api_key to a key of the project that is "
        "not revoked or expired; they are kept and tried once a minute"
    )


def test_answer__all_taken__nothing_to_report() -> None:
    answer = read_answer(URL, HttpResponse(200, {}, b'{"accepted":3,"rejected":[]}'), 3, NOW_MS)
    assert (answer.verdict, answer.rejected, answer.error) == (Verdict.TAKEN, frozenset(), None)


def test_answer__rows_refused__names_them_and_the_servers_reason() -> None:
    body = (
        b'{"accepted":1,"rejected":['
        b'{"index":2,"event_id":"e2","field":"at","detail":"not a time"},'
        b'{"index":0,"event_id":null,"field":null,"detail":"no"},'
        b'{"index":2,"event_id":"e2","field":"at","detail":"not a time"},'
        b'{"index":7,"event_id":"e7","field":"at","detail":"not of this batch"},'
        b'{"index":-1,"event_id":"e7","field":"at","detail":"not of this batch"}]}'
    )
    answer = read_answer(URL, HttpResponse(207, {}, body), 3, NOW_MS)
    assert (answer.verdict, answer.rejected) == (Verdict.TAKEN, frozenset({0, 2}))
    assert str(answer.error) == "2 events rejected: at: not a time"


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("subject_id", "subject_id: not what the server takes"),
        ("properties.email", "properties.email: not what the server takes"),
        (None, "the event as a whole is not what the server takes"),
    ],
)
def test_answer__row_refused_for_what_names_a_person__is_not_quoted(
    field: str | None, problem: str
) -> None:
    row = {"index": 0, "event_id": "holdout.h:anna", "field": field, "detail": "'anna': too long"}
    body = msgspec.json.encode({"accepted": 0, "rejected": [row]})
    answer = read_answer(URL, HttpResponse(207, {}, body), 1, NOW_MS)
    assert str(answer.error) == f"1 event rejected: {problem}"


@pytest.mark.parametrize("body", [b"", b"<html>log in</html>", b"{}", b"\xff", b'{"accepted":"3"}'])
def test_answer__page_of_somebody_else__is_no_acknowledgement(body: bytes) -> None:
    answer = read_answer(URL, HttpResponse(200, {}, body), 3, NOW_MS)
    assert answer.verdict is Verdict.SLOWLY
    assert "check that events_url" in str(answer.error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999", LONGEST_ASKED_PAUSE_S),
        (formatdate(NOW_MS / 1000 + 20, usegmt=True), 20.0),
        (formatdate(NOW_MS / 1000 - 20, usegmt=True), 0.0),
        (formatdate(NOW_MS / 1000 + 86400, usegmt=True), LONGEST_ASKED_PAUSE_S),
        ("soon", None),
    ],
)
def test_answer__retry_after__is_believed_for_five_minutes(
    header: str, seconds: float | None
) -> None:
    answer = read_answer(URL, HttpResponse(429, {"retry-after": header}, b""), 3, NOW_MS)
    assert answer.retry_after_s == seconds
