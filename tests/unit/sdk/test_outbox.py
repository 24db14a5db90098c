import itertools
from typing import Any

import msgspec
import pytest

from fairlot.events.sent import SentBatch
from fairlot.sdk.outbox import COMPANY_S, ENOUGH_ROWS, MOST_BYTES, MOST_ROWS, Batch, Outbox
from support.event_server import a_conversion, an_exposure, ids_of


def an_outbox(bound: int = 10_000) -> Outbox:
    return Outbox(bound, "sdk-python")


def fill(outbox: Outbox, count: int, **fields: Any) -> list[str]:
    events = [a_conversion(f"s{number}", **fields) for number in range(count)]
    for event in events:
        outbox.put(event, 0.0)
    return ids_of(events)


def taken(outbox: Outbox) -> Batch:
    batch = outbox.take()
    assert batch is not None
    return batch


def read(batch: Batch) -> SentBatch:
    return msgspec.json.decode(batch.body, type=SentBatch)


def drain(outbox: Outbox) -> list[SentBatch]:
    batches = []
    while (batch := outbox.take()) is not None:
        batches.append(read(batch))
        outbox.acknowledge(batch)
    return batches


def test_outbox__event__travels_as_it_was_when_it_was_put() -> None:
    outbox = an_outbox()
    properties = {"page": "home"}
    event = an_exposure("s1", properties=properties)
    outbox.put(event, 0.0)
    properties["page"] = "changed later"
    batch = read(taken(outbox))
    assert batch.events == (msgspec.structs.replace(event, properties={"page": "home"}),)
    assert (batch.batch_seq, batch.source) == (1, "sdk-python")


def test_outbox__several_batches__count_on_and_keep_the_order() -> None:
    outbox = an_outbox()
    ids = fill(outbox, 2 * MOST_ROWS + 7)
    batches = drain(outbox)
    assert [batch.batch_seq for batch in batches] == [1, 2, 3]
    assert [batch.events_before for batch in batches] == [0, MOST_ROWS, 2 * MOST_ROWS]
    assert list(itertools.chain(*(ids_of(batch.events) for batch in batches))) == ids
    assert len({batch.sender_id for batch in batches}) == 1
    assert len(batches[0].sender_id) == 32


def test_outbox__long_events__batches_stay_below_their_size() -> None:
    outbox = an_outbox()
    ids = fill(outbox, 100, properties={"text": "x" * 50_000})
    sizes = []
    while (batch := outbox.take()) is not None:
        sizes.append(len(batch.body))
        outbox.acknowledge(batch)
    assert outbox.stats.sent == len(ids)
    assert max(sizes) <= MOST_BYTES + 1_000
    assert len(sizes) == 6  # 17 of 50 kB in 900 kB


def test_outbox__batch_in_flight__stays_the_same_while_more_is_put() -> None:
    outbox = an_outbox(bound=5)
    fill(outbox, 5)
    batch = taken(outbox)
    body = batch.body
    fill(outbox, 20)
    assert taken(outbox) is batch
    assert taken(outbox).body == body


def test_outbox__full__the_oldest_goes_and_is_counted_and_told() -> None:
    outbox = an_outbox(bound=3)
    ids = fill(outbox, 5)
    assert (outbox.stats.queued, outbox.stats.dropped) == (3, 2)
    batch = read(taken(outbox))
    assert ids_of(batch.events) == ids[2:]
    assert batch.dropped_total == 2


def test_outbox__full_of_bytes__the_oldest_goes() -> None:
    outbox = an_outbox(bound=100)  # which is a MiB
    ids = fill(outbox, 30, properties={"text": "x" * 100_000})
    assert (outbox.stats.queued, outbox.stats.dropped) == (10, 20)
    assert list(itertools.chain(*(ids_of(b.events) for b in drain(outbox)))) == ids[20:]


def test_outbox__too_large_alone__is_rejected_and_the_others_go() -> None:
    outbox = an_outbox()
    outbox.put(a_conversion("before"), 0.0)
    assert outbox.put(a_conversion(properties={"text": "x" * MOST_BYTES}), 0.0)
    outbox.put(a_conversion("after"), 0.0)
    (problem,) = outbox.take_problems()
    assert "keep an event below 900000 bytes" in str(problem)
    assert outbox.take_problems() == []
    (batch,) = drain(outbox)
    assert [event.subject_id for event in batch.events] == ["before", "after"]
    assert batch.dropped_total == 1
    assert (outbox.stats.sent, outbox.stats.rejected) == (2, 1)


class Unsayable:
    pass


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"properties": {"a": Unsayable()}}, "properties: TypeError"),
        ({"properties": {(1, 2): 3}}, "properties: TypeError"),
        ({"subject_id": "\ud800"}, "subject_id: UnicodeEncodeError"),
    ],
)
def test_outbox__no_json__is_rejected_by_the_name_of_the_field(
    fields: dict[str, Any], named: str
) -> None:
    outbox = an_outbox()
    outbox.put(an_exposure(**fields), 0.0)
    (problem,) = outbox.take_problems()
    assert named in str(problem)
    assert (outbox.stats.queued, outbox.stats.rejected) == (0, 1)


def test_outbox__properties_in_a_circle__are_rejected() -> None:
    properties: dict[str, Any] = {}
    properties["self"] = properties
    outbox = an_outbox()
    outbox.put(a_conversion(properties=properties), 0.0)
    assert "properties: RecursionError" in str(outbox.take_problems()[0])


def test_outbox__due__after_a_second_or_at_once_when_there_are_enough() -> None:
    outbox = an_outbox()
    assert outbox.due_in_s(0.0) is None
    assert outbox.put(a_conversion(), 10.0)  # the first one wakes the sender
    assert outbox.due_in_s(10.0) == COMPANY_S
    woken = [outbox.put(a_conversion(), 10.5) for _ in range(ENOUGH_ROWS - 1)]
    assert woken.index(True) == ENOUGH_ROWS - 2
    assert outbox.due_in_s(10.5) == 0.0


def test_outbox__first_event_a_second_old__is_due() -> None:
    outbox = an_outbox()
    outbox.put(a_conversion(), 10.0)
    outbox.put(a_conversion(), 10.9)
    assert outbox.due_in_s(11.0) == 0.0


def test_outbox__rest_of_a_backlog__is_due_at_once() -> None:
    outbox = an_outbox()
    fill(outbox, MOST_ROWS + 1)
    outbox.acknowledge(taken(outbox))
    assert outbox.due_in_s(0.0) == 0.0


def test_outbox__repeated_exposure__is_counted_and_not_queued() -> None:
    outbox = an_outbox()
    outbox.put(an_exposure("s1"), 0.0)
    outbox.put(an_exposure("s1"), 1.0)
    assert (outbox.stats.queued, outbox.stats.repeated) == (1, 1)


def test_outbox__dropped_exposure__may_be_put_again() -> None:
    outbox = an_outbox(bound=1)
    outbox.put(an_exposure("s1"), 0.0)
    outbox.put(an_exposure("s2"), 0.0)  # in the place of s1
    outbox.put(an_exposure("s1"), 0.0)  # in the place of s2
    assert (outbox.stats.dropped, outbox.stats.repeated) == (2, 0)
    assert [event.subject_id for event in read(taken(outbox)).events] == ["s1"]


@pytest.mark.parametrize("unusable", [{"properties": {"a": Unsayable()}}])
def test_outbox__rejected_exposure__may_be_put_again(unusable: dict[str, Any]) -> None:
    outbox = an_outbox()
    outbox.put(an_exposure("s1", **unusable), 0.0)
    outbox.put(an_exposure("s1"), 0.0)
    assert (outbox.stats.queued, outbox.stats.repeated) == (1, 0)


def test_outbox__row_refused_by_the_server__may_be_put_again() -> None:
    outbox = an_outbox()
    for subject in ("s1", "s2"):
        outbox.put(an_exposure(subject), 0.0)
    outbox.acknowledge(taken(outbox), {1})
    for subject in ("s1", "s2"):
        outbox.put(an_exposure(subject), 0.0)
    assert (outbox.stats.sent, outbox.stats.rejected, outbox.stats.repeated) == (1, 1, 1)
    assert [event.subject_id for event in read(taken(outbox)).events] == ["s2"]


def test_outbox__taken_apart__the_number_is_free_and_the_order_stays() -> None:
    outbox = an_outbox()
    ids = fill(outbox, 10)
    assert outbox.take_apart(taken(outbox))
    fill(outbox, 1)
    half = read(taken(outbox))
    assert (half.batch_seq, ids_of(half.events)) == (1, ids[:5])
    outbox.acknowledge(taken(outbox))
    rest = read(taken(outbox))
    assert (rest.batch_seq, rest.events_before, rest.dropped_total) == (2, 5, 0)
    assert ids_of(rest.events)[:5] == ids[5:]


def test_outbox__taken_apart__the_bytes_count_again() -> None:
    outbox = an_outbox(bound=100)  # which is a MiB
    fill(outbox, 8, properties={"text": "x" * 100_000})
    outbox.take_apart(taken(outbox))
    fill(outbox, 4, properties={"text": "x" * 100_000})
    assert (outbox.stats.queued, outbox.stats.dropped) == (10, 2)


def test_outbox__taken_apart_down_to_one__that_one_is_rejected() -> None:
    outbox = an_outbox()
    outbox.put(an_exposure("s1"), 0.0)
    assert not outbox.take_apart(taken(outbox))
    outbox.put(an_exposure("s1"), 0.0)
    batch = read(taken(outbox))
    assert (outbox.stats.rejected, outbox.stats.repeated) == (1, 0)
    assert (batch.batch_seq, batch.events_before, batch.dropped_total) == (1, 0, 1)


def test_outbox__closed__drops_what_is_left_and_what_comes() -> None:
    outbox = an_outbox()
    fill(outbox, 3)
    batch = taken(outbox)
    fill(outbox, 2)
    assert outbox.close() == 5
    fill(outbox, 2)
    assert outbox.close() == 0
    assert (outbox.stats.queued, outbox.stats.dropped) == (0, 7)
    outbox.acknowledge(batch)  # too late: it was counted
    assert outbox.take_apart(batch)
    assert outbox.stats.sent == 0


def test_outbox__afresh__another_sender_without_queue_counts_or_memory() -> None:
    outbox = an_outbox()
    outbox.put(an_exposure("s1"), 0.0)
    before = read(taken(outbox))
    outbox.start_afresh()
    assert outbox.take() is None
    outbox.put(an_exposure("s1"), 0.0)
    after = read(taken(outbox))
    assert after.sender_id != before.sender_id
    assert (after.batch_seq, after.events_before) == (1, 0)


def test_outbox__goal__is_the_delivery_of_what_is_held_now() -> None:
    outbox = an_outbox()
    assert outbox.is_delivered(outbox.goal())
    fill(outbox, 3)
    goal = outbox.goal()
    fill(outbox, 3)
    batch = taken(outbox)
    assert not outbox.is_reached(goal)
    outbox.acknowledge(batch)
    assert outbox.is_delivered(goal)


def test_outbox__goal_with_a_drop_on_the_way__is_reached_but_not_delivered() -> None:
    outbox = an_outbox(bound=2)
    fill(outbox, 2)
    goal = outbox.goal()
    fill(outbox, 2)
    assert outbox.is_reached(goal)
    assert not outbox.is_delivered(goal)
