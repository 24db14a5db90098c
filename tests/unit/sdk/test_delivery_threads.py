"""A delivery with its own thread, with many that put, in a forked child, and without a thread."""

import json
import os
import threading
import time
from collections import Counter
from itertools import count

import pytest

from fairlot.sdk.clock import SystemClock
from fairlot.sdk.delivery import Delivery
from fairlot.sdk.transport import HttpRequest, HttpResponse
from support.deliveries import Post, a_post, a_running_post
from support.event_server import (
    GONE,
    URL,
    EventServer,
    a_conversion,
    an_exposure,
    ids_of,
    told_lost,
)
from support.waiting import wait_for


def test_thread__first_event__sent_after_a_second() -> None:
    with a_running_post() as post:
        post.put(a_conversion())
        wait_for(lambda: post.clock.sleepers == 1)
        assert post.server.requests == []
        post.clock.advance(1.0)
        wait_for(lambda: post.stats.sent == 1)


def test_thread__failure__sent_again_when_the_pause_is_over() -> None:
    with a_running_post() as post:
        post.server.fail(GONE)
        post.put(*(a_conversion() for _ in range(500)))
        # It may have slept before, when only some of the events were there.
        wait_for(lambda: len(post.server.requests) == 1 and post.clock.sleepers == 1)
        assert post.stats.sent == 0
        post.clock.advance(60.0)
        wait_for(lambda: post.stats.sent == 500)


def test_thread__events_put_during_a_flush__are_sent_afterwards() -> None:
    with a_running_post() as post:
        inner = EventServer()

        def put_more(request: HttpRequest, /) -> HttpResponse:
            if not inner.requests:
                post.put(*(a_conversion() for _ in range(600)))
                wait_for(lambda: not post.delivery._background._wanted)  # it has come and gone
            return inner(request)

        post.delivery._transport = put_more
        post.put(a_conversion())
        assert post.delivery.flush(5.0)
        wait_for(lambda: post.stats.sent == 601)


def is_empty_after_a_minute(post: Post) -> bool:
    post.clock.advance(60.0)
    return post.stats.queued == 0


def test_threads__eighty_thousand_puts_while_it_sends__all_accounted_for() -> None:
    bound, threads, each = 5_000, 8, 10_000
    with a_running_post(queue_bound=bound) as post:
        gone = count()

        def flaky(request: HttpRequest, /) -> HttpResponse:
            time.sleep(0.002)
            if next(gone) % 7 == 3:
                raise ConnectionResetError("now and then")
            return post.server(request)

        post.delivery._transport = flaky
        put: list[list[str]] = [[] for _ in range(threads)]

        def work(number: int) -> None:
            for step in range(each):
                event = an_exposure(f"s{number}-{step // 2}")  # every second one is a repetition
                put[number].append(event.event_id)
                post.delivery.put(event)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            post.clock.advance(60.0)
            time.sleep(0.002)
        for worker in workers:
            worker.join()
        wait_for(lambda: is_empty_after_a_minute(post))
        post.put(a_conversion())
        wait_for(lambda: is_empty_after_a_minute(post))
        stats = post.stats
        assert stats.sent + stats.dropped + stats.repeated == threads * each + 1
        assert (stats.rejected, stats.queued) == (0, 0)
        assert stats.repeated >= threads * each // 2 - stats.dropped
        arrived = Counter(post.server.order)
        assert len(arrived) == stats.sent
        assert max(arrived.values()) == 1
        assert told_lost(post.server.batches.values()) == stats.dropped
        for ids in put:  # the order of a thread is kept
            places = {event_id: place for place, event_id in enumerate(post.server.order)}
            found = [places[event_id] for event_id in ids if event_id in places]
            assert found == sorted(found)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork__child__sends_its_own_only_as_another_sender() -> None:
    server = EventServer()
    read_end, write_end = os.pipe()
    delivery = Delivery(
        URL,
        "key",
        transport=server,
        clock=SystemClock(),
        queue_bound=100,
        timeout_s=1.0,
        report=lambda *_: None,
    )
    parents, shared, childs = an_exposure("parents"), an_exposure("both"), an_exposure("childs")
    delivery.put(parents)
    delivery.put(shared)
    # As another thread of the parent would leave them: a child that used them would hang.
    delivery._sending.acquire()
    delivery._outbox._lock.acquire()
    child = os.fork()
    if child == 0:
        try:
            delivery.start_afresh()
            delivery.put(childs)
            delivery.put(an_exposure("both"))
            wait_for(lambda: delivery.stats.sent == 2)  # by the child's own thread
            senders = [batch.sender_id for batch in server.sent_batches()]
            subjects = [event.subject_id for b in server.sent_batches() for event in b.events]
            told = {"senders": senders, "subjects": subjects, "sent": delivery.stats.sent}
            os.write(write_end, json.dumps(told).encode())
        finally:
            os._exit(0)
    delivery._outbox._lock.release()
    delivery._sending.release()
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        told = json.loads(pipe.read())
    assert os.waitpid(child, 0)[1] == 0
    assert delivery.close(5.0)
    assert (told["subjects"], told["sent"]) == (["childs", "both"], 2)
    assert server.order == ids_of([parents, shared])
    assert set(told["senders"]).isdisjoint(b.sender_id for b in server.sent_batches())


def test_no_thread_to_be_had__flush_and_close__deliver_in_the_callers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    post = a_post(has_thread=True)
    post.put(a_conversion())
    assert post.delivery.flush(1.0)
    post.put(a_conversion())
    assert post.delivery.close(1.0)
    assert (post.stats.sent, post.stats.dropped) == (2, 0)
    assert "no thread could be started" in caplog.text


def test_no_thread_to_be_had_any_more__dropped_events__are_reported_by_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post = a_post(queue_bound=1)
    post.put(a_conversion(), a_conversion())
    post.delivery.flush(1.0)
    assert post.kinds == ["events_dropped"]


def test_flush__while_the_thread_is_sending__waits_for_its_batch() -> None:
    with a_running_post() as post:
        entered, go_on = threading.Event(), threading.Event()

        def slow(request: HttpRequest, /) -> HttpResponse:
            entered.set()
            assert go_on.wait(10)
            return post.server(request)

        post.delivery._transport = slow
        post.put(*(a_conversion() for _ in range(500)))
        assert entered.wait(10)
        assert not post.delivery.flush(0.05)
        go_on.set()
        assert post.delivery.flush(10.0)
        assert len(post.server.requests) == 1


def test_flush__new_events_without_end__waits_for_those_before_it_only() -> None:
    with a_running_post() as post:
        ended = threading.Event()

        def endless(request: HttpRequest, /) -> HttpResponse:
            if not ended.is_set():
                post.put(*(a_conversion() for _ in range(600)))
            return post.server(request)

        post.delivery._transport = endless
        post.put(*(a_conversion() for _ in range(600)))
        try:
            assert post.delivery.flush(20.0)
        finally:
            ended.set()


def test_close__server_gone__starts_no_thread() -> None:
    post = a_post(has_thread=True)
    post.server.is_down = True
    post.delivery._outbox.put(a_conversion(), 0.0)
    assert not post.delivery.close(0.1)
    assert post.delivery._background._thread is None
