"""The two halves of an audience: the page (checked before any draw) and the person.

Both can name the part that fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlot.engine.conditions import ACCOUNT, compile_rule, paths_read, value_at
from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.history import compile_event_rule
from fairlot.engine.model import (
    Audience,
    Context,
    Device,
    HistorySegment,
    ListSegment,
    RuleSegment,
    Segment,
    ServerSegment,
    VisitorStatus,
)
from fairlot.engine.operators import in_list
from fairlot.engine.queries import QueryTest, compile_query_params
from fairlot.engine.urls import PageTest, compile_url_patterns, read_url

PersonTest = Callable[[str, Context], bool]

URL_PATTERNS = "urlPatterns"
QUERY_PARAMS = "queryParams"
DEVICE = "device"
RULE = "rule"
VISITOR_STATUS = "visitorStatus"


@dataclass(frozen=True, slots=True)
class Segments:
    """A project's segments, compiled: which subjects are in, which lists a rule may name, and which
    events each asks about."""

    tests: Mapping[str, PersonTest]
    lists: Mapping[str, ListSegment]
    broken: Mapping[str, InvalidExperiment]
    events: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PagePart:
    """The page part, compiled; `failing_part` names what does not match, None when all does."""

    failing_part: Callable[[Context], str | None]

    def outcome_text(self, context: Context) -> str:
        failing = self.failing_part(context)
        if failing is not None:
            return f"{failing}: no match"
        if context.url is None and context.search is None:
            return "no page given: addresses are not checked"
        return "the page matches"


@dataclass(frozen=True, slots=True)
class PersonPart:
    """The person part, compiled: `parts` in order by name, `holds` all of them at once.
    `events` are those whose history is asked about."""

    rule: Mapping[str, Any]
    parts: Mapping[str, PersonTest]
    holds: PersonTest
    events: tuple[str, ...] = ()

    def outcome_text(self, subject_id: str, context: Context) -> str:
        failing = (name for name, test in self.parts.items() if not test(subject_id, context))
        return next((f"{name}: no match" for name in failing), "the person matches")

    def inputs(self, context: Context) -> dict[str, Any]:
        """What the parts read of a context."""
        attributes = {**context.attributes, ACCOUNT: context.account}
        found = {
            "attributes": {path: value_at(attributes, path) for path in paths_read(self.rule)},
            "visitorStatus": context.visitor_status,
        }
        return {**found, "history": self._counts(context)} if self.events else found

    def _counts(self, context: Context) -> dict[str, int] | None:
        """How often each event is known to have happened; None when no history is known."""
        history = context.history
        if history is None:
            return None
        return {event: len(history.get(event, ())) for event in self.events}


def compile_segments(segments: tuple[Segment, ...]) -> Segments:
    """Broken segments break only the experiments that name them."""
    lists = {segment.key: segment for segment in segments if isinstance(segment, ListSegment)}
    tests: dict[str, PersonTest] = {}
    broken: dict[str, InvalidExperiment] = {}
    for segment in segments:
        try:
            tests[segment.key] = _segment_test(segment, lists)
        except InvalidExperiment as error:
            broken[segment.key] = error.under(f"segments.{segment.key}")
    events = {
        segment.key: tuple(condition.rule.event for condition in segment.conditions)
        for segment in segments
        if isinstance(segment, HistorySegment)
    }
    return Segments(tests, lists, broken, events)


def compile_page(audience: Audience) -> PagePart | None:
    """The page part; None when it restricts nothing."""
    with located(URL_PATTERNS):
        matches = compile_url_patterns(audience.url_patterns) if audience.url_patterns else None
    with located(QUERY_PARAMS):
        holds = compile_query_params(audience.query_params) if audience.query_params else None
    device = audience.device
    if matches is None and holds is None and device is Device.ALL:
        return None

    def failing_part(context: Context) -> str | None:
        if matches is not None or holds is not None:
            failing = _failing_address_part(context, matches, holds)
            if failing is not None:
                return failing
        return None if _device_matches(device, context.device) else DEVICE

    return PagePart(failing_part)


def compile_person(audience: Audience, segments: Segments) -> PersonPart | None:
    """The person part; None when it restricts nothing."""
    parts: dict[str, PersonTest] = {}
    if audience.rule:
        parts[RULE] = _rule_test(audience.rule, segments.lists)
    for key in audience.segments:
        parts[f"segments.{key}"] = _segment_named(key, segments)
    if audience.visitor_status is not VisitorStatus.ANY:
        parts[VISITOR_STATUS] = _visitor_test(audience.visitor_status)
    if not parts:
        return None
    asked = (event for key in audience.segments for event in segments.events.get(key, ()))
    holds = _all_of(tuple(parts.values()))
    return PersonPart(audience.rule, parts, holds, tuple(dict.fromkeys(asked)))


def _all_of(tests: tuple[PersonTest, ...]) -> PersonTest:
    if len(tests) == 1:
        return tests[0]
    return lambda subject_id, context: all(test(subject_id, context) for test in tests)


def _failing_address_part(
    context: Context, matches: PageTest | None, holds: QueryTest | None
) -> str | None:
    page = None if context.url is None else read_url(context.url)
    if matches is not None and context.url is not None and (page is None or not matches(page)):
        return URL_PATTERNS
    if holds is None:
        return None
    if context.search is not None:
        return None if holds(context.search) else QUERY_PARAMS
    if context.url is None:
        return None
    return None if page is not None and holds(page[2]) else QUERY_PARAMS


def _device_matches(wanted: Device, device: Device | None) -> bool:
    return wanted is Device.ALL or device is wanted or device is Device.ALL


def _visitor_test(wanted: VisitorStatus) -> PersonTest:
    return lambda subject_id, context: context.visitor_status is wanted


def _rule_test(rule: Mapping[str, Any], lists: Mapping[str, ListSegment]) -> PersonTest:
    with located(RULE):
        return compile_rule(rule, lists)


def _segment_test(segment: Segment, lists: Mapping[str, ListSegment]) -> PersonTest:
    if isinstance(segment, ServerSegment):
        raise InvalidExperiment("", segment.key, "only the server can decide this segment")
    if isinstance(segment, RuleSegment):
        return _rule_test(segment.rule, lists)
    if isinstance(segment, HistorySegment):
        return _history_test(segment, lists)
    listed, path = in_list(segment), segment.attribute
    if path is None:
        return lambda subject_id, context: listed(subject_id)
    return lambda subject_id, context: listed(value_at(context.attributes, path))


def _history_test(segment: HistorySegment, lists: Mapping[str, ListSegment]) -> PersonTest:
    """Nobody is in it whose history is not known."""
    tests = []
    for index, condition in enumerate(segment.conditions):
        with located(f"history[{index}]"):
            tests.append((compile_event_rule(condition.rule, lists), condition.performed))
    holds = _rule_test(segment.rule, lists) if segment.rule else None

    def test(subject_id: str, context: Context) -> bool:
        history = context.history
        if history is None or (holds is not None and not holds(subject_id, context)):
            return False
        return all(has_done(history, context.now_ms) is performed for has_done, performed in tests)

    return test


def _segment_named(key: str, segments: Segments) -> PersonTest:
    if key in segments.broken:
        raise segments.broken[key]
    if key not in segments.tests:
        known = ", ".join(sorted(segments.tests)) or "none"
        raise InvalidExperiment("segments", key, f"name a segment of this project ({known})")
    return segments.tests[key]
