"""Whatever the server answers: every event is in one count, and the batches that arrived tell how
many were lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlot.events.sent import SentEvent
from support.deliveries import Post, a_post
from support.event_server import (
    ANSWER_LOST,
    GONE,
    Fault,
    a_conversion,
    an_exposure,
    told_lost,
)

REFUSED, POISONOUS = "refused", "poisonous"
FAULTS = [
    GONE,
    ANSWER_LOST,
    Fault(500),
    Fault(500, stored=True),
    Fault(429, headers={"retry-after": "2"}),
    Fault(401),
    Fault(404),
    Fault(200, body=b"<html>"),
    Fault(200, stored=True, body=b"{"),
]


def an_event(kind: str, number: int) -> SentEvent:
    if kind in (REFUSED, POISONOUS):
        return a_conversion(kind)
    if kind == "unsayable":
        return a_conversion(properties={"a": object()})
    return an_exposure(f"s{number % 7}") if kind == "exposure" else a_conversion()


def kinds_of_events() -> st.SearchStrategy[list[str]]:
    kinds = ["conversion", "conversion", "exposure", REFUSED, POISONOUS, "unsayable"]
    return st.lists(st.sampled_from(kinds), min_size=1, max_size=12)


ACTIONS = st.one_of(
    st.tuples(st.just("put"), kinds_of_events()),
    st.tuples(st.just("fail"), st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3)),
    st.tuples(st.just("pass"), st.sampled_from([0.0, 1.0, 5.0, 60.0])),
    st.tuples(st.just("flush"), st.just(0.01)),
)


def accounted_for(post: Post) -> int:
    stats = post.stats
    return stats.queued + stats.sent + stats.dropped + stats.rejected + stats.repeated


@settings(max_examples=200, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=25),
    bound=st.integers(1, 20),
    most_rows=st.integers(1, 12),
    closes=st.booleans(),
)
def test_accounts__any_answers__add_up_and_the_server_knows_what_was_lost(
    actions: list[tuple[str, object]], bound: int, most_rows: int, closes: bool
) -> None:
    post = a_post(queue_bound=bound)
    post.server.refused, post.server.poisonous = {REFUSED}, {POISONOUS}
    post.server.most_rows = most_rows
    put: list[SentEvent] = []
    for action, what in actions:
        if action == "put":
            assert isinstance(what, list)
            events = [an_event(kind, len(put) + number) for number, kind in enumerate(what)]
            put += events
            post.put(*events)
        elif action == "fail":
            assert isinstance(what, list)
            post.server.fail(*what)
        elif action == "flush":
            post.delivery.flush(0.01)
        else:
            assert isinstance(what, float)
            post.step(after_s=what)
        assert accounted_for(post) == len(put)
        assert post.stats.queued <= bound + 12 + 8
    post.server.faults.clear()
    if not closes:
        put.append(a_conversion("the last one"))
        post.put(put[-1])
    while post.step(after_s=60.0) is not None:
        pass
    if closes:
        post.delivery.close(1.0)
    stats = post.stats
    assert accounted_for(post) == len(put)
    assert stats.queued == 0
    arrived = post.server.arrived
    lost = sum(event.event_id not in arrived for event in put) - stats.repeated
    assert told_lost(post.server.batches.values()) == lost
    assert len(post.server.order) == len(arrived)
    refused = sum(
        event.subject_id == REFUSED
        for batch in post.server.batches.values()
        for event in batch.events
    )
    assert stats.sent == len(arrived) - refused
