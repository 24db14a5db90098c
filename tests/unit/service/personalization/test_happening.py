"""At which moment a happening makes a rule hold."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from fairlot.engine import EventRule, History, Occurrence
from fairlot.engine.history import compile_event_rule, remembered
from fairlot.profiles import Happening
from fairlot.service.personalization.happening import counted_in, held_at, holds_now
from fairlot.service.personalization.rules import CompiledEventRule, _compile_when

MOMENTS = st.integers(0, 12)
OCCURRENCES = st.lists(st.tuples(MOMENTS, st.booleans()), max_size=12)


def first_held(rule: EventRule, history: History, late: Happening, from_ms: int) -> int | None:
    """By definition: every moment of an event from the late one on is asked anew."""
    if rule.where and not late.properties["good"]:
        return None
    if rule.count == 1:
        return late.at_ms if late.at_ms >= from_ms else None
    holds = compile_event_rule(rule)
    end_ms = late.at_ms + (rule.within_ms or 1_000)
    moments = sorted(each.at_ms for each in history["view"])
    asked = [each for each in moments if max(late.at_ms, from_ms) <= each < end_ms]
    return next((each for each in asked if holds(history, each)), None)


@given(
    occurrences=OCCURRENCES,
    late=st.tuples(MOMENTS, st.booleans()),
    count=st.integers(1, 4),
    within_ms=st.none() | st.integers(1, 8),
    from_ms=MOMENTS,
    is_asked=st.booleans(),
)
def test_held_at__any_history__is_the_first_moment_by_definition(
    occurrences: list[tuple[int, bool]],
    late: tuple[int, bool],
    count: int,
    within_ms: int | None,
    from_ms: int,
    is_asked: bool,
) -> None:
    where = {"good": True} if is_asked else {}
    rule = EventRule("view", where=where, count=count, within_ms=within_ms)
    latest_first = sorted(occurrences, key=lambda each: -each[0])
    known = {"view": [Occurrence(at_ms, {"good": good}) for at_ms, good in latest_first]}
    happening = Happening(event_id="e", name="view", at_ms=late[0], properties={"good": late[1]})
    history = counted_in(known, happening)
    when = _compile_when(rule, {})
    assert held_at(when, history, happening, from_ms) == first_held(
        rule, history, happening, from_ms
    )
    now = first_held(rule, history, happening, happening.at_ms) == happening.at_ms
    assert holds_now(when, history, happening) == now


def test_held_at__a_batch_of_one_subject__asks_each_occurrence_once() -> None:
    asked: list[object] = []

    def counts(properties: object) -> bool:
        asked.append(properties)
        return True

    when = CompiledEventRule(counts, remembered(counts), 1_000, 5_000)
    latest_first: list[Occurrence] = []
    for at_ms in range(300):
        happening = Happening(event_id=f"e{at_ms}", name="view", at_ms=at_ms, properties={})
        held_at(when, counted_in({"view": latest_first}, happening), happening, 0)
        latest_first.insert(0, Occurrence(at_ms))
    assert len(asked) <= 3 * 300


def test_remembered__an_occurrence_is_gone__nothing_is_known_of_another() -> None:
    matches = remembered(lambda properties: bool(properties["good"]))
    for number in range(100):
        good = number % 2 == 0
        assert matches(Occurrence(1, {"good": good})) is good
    gc.collect()
    assert matches(Occurrence(1, {"good": True}))
