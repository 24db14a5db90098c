"""A delivery driven by hand: `step` is what its thread would do."""

import time
from email.utils import formatdate

import msgspec
import pytest

from fairlot.sdk.delivery import SLOW_PAUSE_S
from fairlot.sdk.event_answers import EventsDropped, EventsNotSent, EventsRefused, EventsRejected
from fairlot.sdk.transport import HttpRequest, HttpResponse
from support.deliveries import API_KEY, a_post
from support.event_server import (
    ANSWER_LOST,
    GONE,
    URL,
    EventServer,
    Fault,
    a_conversion,
    an_exposure,
    ids_of,
    told_lost,
)

LONGEST_BACKOFF_S = 60.0


def test_delivery__first_event__waits_a_second_for_company() -> None:
    post = a_post()
    events = [a_conversion(), a_conversion()]
    post.put(events[0])
    assert post.step() == pytest.approx(1.0)
    post.put(events[1])
    assert post.server.requests == []
    assert post.step(after_s=1.0) is None
    assert post.server.order == ids_of(events)
    assert len(post.server.requests) == 1


def test_delivery__five_hundred_events__go_at_once() -> None:
    post = a_post()
    post.put(*(a_conversion() for _ in range(500)))
    assert post.step() is None
    assert post.stats.sent == 500


def test_delivery__request__is_a_json_post_with_the_key() -> None:
    post = a_post()
    post.put(a_conversion())
    post.step(after_s=1.0)
    (request,) = post.server.requests
    assert (request.method, request.url, request.timeout_s) == ("POST", URL, 5.0)
    assert dict(request.headers) == {
        "authorization": f"Bearer {API_KEY}",
        "content-type": "application/json",
    }


@pytest.mark.parametrize("fault", [GONE, ANSWER_LOST, Fault(500), Fault(503), Fault(429)])
def test_delivery__failure__the_same_bytes_go_again(fault: Fault) -> None:
    post = a_post()
    events = [a_conversion(), a_conversion()]
    post.server.fail(fault, fault)
    post.put(events[0])
    post.step(after_s=1.0)
    post.put(events[1])
    for _ in range(2):
        post.step(after_s=LONGEST_BACKOFF_S)
    first, second, third, *_ = post.server.bodies
    assert first == second == third
    post.step(after_s=1.0)
    assert post.server.order == ids_of(events)
    assert [batch.batch_seq for batch in post.server.batches.values()] == [1, 2]
    assert post.stats.sent == 2


def test_delivery__failures_in_a_row__pauses_are_drawn_longer_and_bounded() -> None:
    post = a_post()
    post.server.is_down = True
    post.put(a_conversion())
    pauses = [post.step(after_s=1.0)]
    for _ in range(30):
        pauses.append(post.step(after_s=pauses[-1] or 0.0))
    # The last bit of a pause depends on the time that it is added to.
    shortest, longest = 1.0 - 1e-9, LONGEST_BACKOFF_S + 1e-9
    assert all(pause is not None and shortest <= pause <= longest for pause in pauses)
    assert max(pause or 0.0 for pause in pauses[:2]) <= 4.0
    assert len(set(pauses[10:])) > 10  # jitter
    assert set(post.kinds) == {EventsNotSent.code}


def test_delivery__after_a_success__pauses_begin_short_again() -> None:
    post = a_post()
    post.server.fail(*[GONE] * 12)
    post.put(a_conversion())
    for _ in range(13):
        post.step(after_s=LONGEST_BACKOFF_S)
    assert post.stats.sent == 1
    for _ in range(20):
        post.server.fail(GONE)
        post.put(a_conversion())
        assert (post.step(after_s=1.0) or 0.0) <= 2.0
        post.step(after_s=LONGEST_BACKOFF_S)
    assert post.stats.sent == 21


def test_delivery__woken_in_a_pause__does_not_send() -> None:
    post = a_post()
    post.server.is_down = True
    post.put(a_conversion())
    post.step(after_s=1.0)
    post.put(*(a_conversion() for _ in range(600)))
    post.step()
    assert len(post.server.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_delivery__retry_after__is_kept_to(as_date: bool) -> None:
    post = a_post()
    at_s = post.clock.now_ms() / 1000 + 1.0 + 30.0
    text = formatdate(at_s, usegmt=True) if as_date else "30"
    post.server.fail(Fault(503, headers={"retry-after": text}))
    post.put(a_conversion())
    assert post.step(after_s=1.0) == pytest.approx(30.0)
    post.step(after_s=29.5)
    assert len(post.server.requests) == 1
    post.step(after_s=0.5)
    assert post.stats.sent == 1


def test_delivery__retry_after_of_a_day__is_five_minutes() -> None:
    post = a_post()
    post.server.fail(Fault(429, headers={"retry-after": "86400"}))
    post.put(a_conversion())
    assert post.step(after_s=1.0) == pytest.approx(300.0)


@pytest.mark.parametrize("status", [401, 403, 404, 302, 410])
def test_delivery__refused__kept_and_tried_once_a_minute(status: int) -> None:
    post = a_post()
    post.server.fail(*[Fault(status)] * 10)
    post.put(a_conversion())
    post.step(after_s=1.0)
    for _ in range(10):
        post.step(after_s=SLOW_PAUSE_S - 1)
        post.step(after_s=1)
    assert len(post.server.requests) == 11
    assert (post.stats.sent, post.stats.queued) == (1, 0)
    assert post.kinds == [EventsRefused.code] * 10


def test_delivery__page_of_somebody_else__is_no_acknowledgement() -> None:
    post = a_post()
    post.server.fail(Fault(200, body=b"<html>please log in</html>"))
    post.put(a_conversion())
    post.step(after_s=1.0)
    assert post.stats.queued == 1
    post.step(after_s=SLOW_PAUSE_S)
    assert post.stats.sent == 1


def test_delivery__rows_refused__counted_reported_and_not_sent_again() -> None:
    post = a_post()
    post.server.refused = {"s2"}
    post.put(an_exposure("s1"), an_exposure("s2"), an_exposure("s3"))
    post.step(after_s=1.0)
    assert (post.stats.sent, post.stats.rejected, post.stats.queued) == (2, 1, 0)
    ((kind, error),) = post.reports
    assert kind == EventsRejected.code
    assert "1 event rejected: subject_id: no" in str(error)
    assert post.step(after_s=LONGEST_BACKOFF_S) is None
    assert len(post.server.requests) == 1


def test_delivery__batch_with_a_poisonous_event__all_others_arrive() -> None:
    post = a_post()
    post.server.poisonous = {"s613"}
    events = [an_exposure(f"s{number}") for number in range(1000)]
    post.put(*events)
    while post.step(after_s=LONGEST_BACKOFF_S) is not None:
        pass
    assert (post.stats.sent, post.stats.rejected, post.stats.queued) == (999, 1, 0)
    assert post.server.order == [each for n, each in enumerate(ids_of(events)) if n != 613]
    assert post.kinds == [EventsRejected.code]
    assert len(post.server.requests) < 60
    numbers = [seq for _, seq in post.server.batches]
    assert numbers == list(range(1, len(numbers) + 1))
    assert told_lost(post.server.batches.values()) == 1


def test_delivery__server_that_takes_small_batches_only__all_arrive() -> None:
    post = a_post()
    post.server.most_rows = 100
    events = [a_conversion() for _ in range(3000)]
    post.put(*events)
    while post.step(after_s=1.0) is not None:
        pass
    assert post.server.order == ids_of(events)
    assert post.reports == []
    assert len(post.server.requests) < 80
    assert told_lost(post.server.batches.values()) == 0


def test_delivery__server_that_calls_everything_malformed__is_not_flooded() -> None:
    post = a_post()
    post.server.most_rows = 0
    post.put(*(a_conversion() for _ in range(1000)))
    for _ in range(600):
        post.step(after_s=1.0)
    assert 10 < len(post.server.requests) < 60
    assert post.stats.rejected + post.stats.queued == 1000


def test_delivery__transport_of_ones_own_raises_anything__the_batch_goes_again() -> None:
    server = EventServer()
    faults = [ValueError("a bug of the user's"), None]

    def transport(request: HttpRequest, /) -> HttpResponse:
        if (fault := faults.pop(0)) is not None:
            raise fault
        return server(request)

    post = a_post(transport=transport)
    post.put(a_conversion())
    post.step(after_s=1.0)
    assert "ValueError: a bug of the user's" in str(post.reports[0][1])
    post.step(after_s=LONGEST_BACKOFF_S)
    assert post.stats.sent == 1


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, {}, b'{"accepted":1,"more":' + b"[" * 100_000),
        HttpResponse(500, {}, b'{"detail":"no","more":' + b"[" * 100_000),
        HttpResponse(200, {}, None),  # type: ignore[arg-type] # a transport that has no types
        None,
    ],
)
def test_flush__answer_that_cannot_be_read__false_and_the_batch_is_kept(
    answer: HttpResponse,
) -> None:
    post = a_post(transport=lambda _request: answer)
    post.put(a_conversion())
    assert not post.delivery.flush(1.0)
    assert post.stats.queued == 1
    assert post.reports


def test_delivery__server_down_for_an_hour__memory_bounded_and_the_rest_delivered() -> None:
    bound, per_second = 10_000, 5
    post = a_post(queue_bound=bound)
    post.server.is_down = True
    put: list[str] = []
    for second in range(3600):
        events = [an_exposure(f"s{second}-{number}") for number in range(per_second)]
        put += ids_of(events)
        post.put(*events)
        post.step(after_s=1.0)
        assert post.stats.queued <= bound + 1_000
    dropped = post.stats.dropped
    assert dropped == len(put) - post.stats.queued
    assert dropped > 0
    assert len(post.server.requests) < 3600 / LONGEST_BACKOFF_S * 4
    post.server.is_down = False
    for _ in range(120):
        post.step(after_s=1.0)
    in_flight = len(post.server.sent_batches()[0].events)
    assert post.server.order == put[:in_flight] + put[in_flight + dropped :]
    post.put(a_conversion())
    post.step(after_s=1.0)
    assert told_lost(post.server.batches.values()) == dropped
    assert {EventsNotSent.code, EventsDropped.code} == set(post.kinds)


def test_delivery__events_dropped__reported_by_the_step_and_not_by_put() -> None:
    post = a_post(queue_bound=2)
    post.put(*(a_conversion() for _ in range(5)))
    assert post.reports == []
    post.step()
    ((kind, error),) = post.reports
    assert kind == EventsDropped.code
    assert "3 events dropped, 3 in all: the queue holds 2" in str(error)
    post.step()
    assert len(post.reports) == 1


def test_flush__server_there__delivers_in_the_callers_thread() -> None:
    post = a_post()
    post.put(*(a_conversion() for _ in range(2500)))
    assert post.delivery.flush(5.0)
    assert post.stats.sent == 2500
    assert len(post.server.requests) == 3


def test_flush__nothing_queued__is_done() -> None:
    post = a_post()
    assert post.delivery.flush(0.0)
    assert post.server.requests == []


def test_flush__server_gone__false_early_and_nothing_lost() -> None:
    post = a_post()
    post.server.is_down = True
    post.put(a_conversion())
    assert not post.delivery.flush(0.5)  # the pause is longer
    assert (post.stats.queued, post.stats.dropped) == (1, 0)
    assert not post.delivery.flush(0.5)
    assert len(post.server.requests) == 1


def test_flush__row_refused__is_not_delivered() -> None:
    post = a_post()
    post.server.refused = {"s1"}
    post.put(an_exposure("s1"))
    assert not post.delivery.flush(1.0)
    assert post.delivery.flush(1.0)


def test_flush__little_time__the_request_gets_no_more() -> None:
    post = a_post()
    post.put(a_conversion())
    post.delivery.flush(0.25)
    assert 0 < post.server.requests[0].timeout_s <= 0.25


def test_close__in_a_pause__tries_once_more() -> None:
    post = a_post()
    post.server.fail(GONE)
    post.put(a_conversion())
    post.step(after_s=1.0)
    assert post.delivery.close(0.5)
    assert post.stats.sent == 1


def test_close__server_asked_to_be_left_alone__does_not_try() -> None:
    post = a_post()
    post.server.fail(Fault(503, headers={"retry-after": "30"}))
    post.put(a_conversion())
    post.step(after_s=1.0)
    assert not post.delivery.close(0.5)
    assert len(post.server.requests) == 1
    assert (post.stats.queued, post.stats.dropped) == (0, 1)


def test_close__server_gone__the_rest_is_dropped_and_reported() -> None:
    post = a_post()
    post.server.is_down = True
    post.put(a_conversion(), a_conversion())
    assert not post.delivery.close(0.2)
    assert (post.stats.queued, post.stats.dropped) == (0, 2)
    assert "2 events dropped, 2 in all: they were left when the client was closed" in str(
        post.reports[-1][1]
    )
    post.put(a_conversion())
    assert post.stats.dropped == 3
    assert post.delivery.close(0.2)  # nothing was left this time
    assert post.delivery.flush(0.2)


def test_close__losses_that_were_not_told__an_empty_batch_tells_them() -> None:
    post = a_post()
    post.server.poisonous = {"bad"}
    post.put(a_conversion("good"), a_conversion("bad"))
    while post.step(after_s=60.0) is not None:
        pass
    assert told_lost(post.server.batches.values()) == 0
    assert post.delivery.close(1.0)
    assert told_lost(post.server.batches.values()) == 1
    last = post.server.sent_batches()[-1]
    assert (last.batch_seq, last.events, last.events_before) == (2, (), 1)


@pytest.mark.parametrize("fault", [GONE, Fault(400), Fault(413), Fault(503)])
def test_close__last_batch_not_taken__is_not_tried_twice(fault: Fault) -> None:
    post = a_post(queue_bound=1)
    post.put(a_conversion(), a_conversion(properties={"a": object()}))
    assert post.step(after_s=1.0) is None
    post.put(a_conversion(properties={"a": object()}))
    post.server.fail(fault)
    assert post.delivery.close(1.0)
    assert len(post.server.requests) == 2


def test_close__all_losses_told__sends_nothing_more() -> None:
    post = a_post(queue_bound=1)
    post.put(a_conversion(), a_conversion())
    assert post.delivery.close(1.0)
    assert len(post.server.requests) == 1
    assert told_lost(post.server.batches.values()) == 1


def test_close__time_is_bounded__though_the_server_hangs() -> None:
    def hang(request: HttpRequest, /) -> HttpResponse:
        time.sleep(request.timeout_s)
        raise TimeoutError("timed out")

    post = a_post(transport=hang)
    post.put(a_conversion())
    started_s = time.monotonic()
    assert not post.delivery.close(0.3)
    assert time.monotonic() - started_s < 5.0


def test_put__event_of_a_wrong_shape__does_not_raise() -> None:
    post = a_post()
    post.put(msgspec.structs.replace(a_conversion(), properties={"a": object()}))
    assert post.stats.rejected == 1
    post.step()
    assert post.kinds == [EventsRejected.code]
