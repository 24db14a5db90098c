"""Refused bodies and queries: the field, its value, and what may stand there."""

from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import inspect

from fairlot.http.body import converted, decoded
from fairlot.http.misfits import ALLOWED
from fairlot.http.problems import Refused
from fairlot.http.routes import ROUTES


class Fruit(StrEnum):
    APPLE = "apple"
    PEAR = "pear"


class Stall(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    stall_name: Annotated[str, msgspec.Meta(max_length=5)]


class Market(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    key: Annotated[
        str, msgspec.Meta(pattern="^[a-z]*$", description="x", extra={ALLOWED: "of a to z"})
    ] = "a"
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    fruits: Annotated[tuple[Fruit, ...], msgspec.Meta(min_length=1)] = (Fruit.APPLE,)
    order: Literal["newest", "oldest"] = "newest"
    page_limit: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 3
    share: Annotated[float, msgspec.Meta(gt=0)] | None = None
    is_open: bool = True
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    stalls: Annotated[tuple[Stall, ...], msgspec.Meta(max_length=2)] = ()
    by_name: dict[str, Stall] = {}
    counts: dict[Annotated[str, msgspec.Meta(max_length=2)], int] = {}
    source: str | int | None = None


BODIES = (
    (b'{"reason":""}', 'reason: "": write a text of 1 to 1,000 characters'),
    (b'{"key":"A"}', 'key: "A": write a text of a to z'),
    (b'{"key":7}', "key: 7: write a text of a to z"),
    (b'{"fruits":["aple"]}', 'fruits[0]: "aple": write one of apple, pear; did you mean apple?'),
    (b'{"fruits":["fig"]}', 'fruits[0]: "fig": write one of apple, pear'),
    (b'{"fruits":[]}', "fruits: []: write a list of 1 or more entries"),
    (b'{"fruits":"pear"}', 'fruits: "pear": write a list of 1 or more entries'),
    (b'{"order":"new"}', 'order: "new": write one of newest, oldest; did you mean newest?'),
    (b'{"pageLimit":0}', "pageLimit: 0: write a whole number from 1 to 20,000"),
    (b'{"pageLimit":1.5}', "pageLimit: 1.5: write a whole number from 1 to 20,000"),
    (b'{"share":0}', "share: 0: write a number over 0"),
    (b'{"isOpen":null}', "isOpen: null: write true or false"),
    (
        b'{"until":"2026-01-01"}',
        'until: "2026-01-01": write a moment with its offset, as in 2026-11-28T09:30:00Z',
    ),
    (b'{"stalls":[{}]}', "stalls[0].stallName: missing; write a text of at most 5 characters"),
    (
        b'{"stalls":[{"stallName":"a"},{"stallNam":"a","stallName":"b"}]}',
        'stalls[1].stallNam: "a": not a field here; did you mean stallName?',
    ),
    (b'{"stalls":{"a":1}}', 'stalls: {"a": 1}: write a list of at most 2 entries'),
    (b'{"byName":{"x":3}}', "byName.*: write an object"),
    (b'{"counts":{"abc":3}}', "counts: write each name as a text of at most 2 characters"),
    (b'{"source":[]}', "source: []: write a text or a whole number"),
    (b'{"fruit":["fig"]}', 'fruit: ["fig"]: not a field here; did you mean fruits?'),
    (b'{"a` - at `$.b[0]":1}', "b[0].a: not a field here; "),
    (b'{"a` - at `$.stalls[7]":1,"stalls":[]}', "stalls[7].a: not a field here; "),
    (b'{"a` - at `$.stalls[...]":1,"stalls":[]}', "stalls.*.a: not a field here; "),
    (b'{"\\u001b[1m":1}', "\\x1b[1m: 1: not a field here; known: "),
    (b"[1]", "the body: [1]: write an object"),
    (b'{"reason":"' + b"x" * 1001 + b'"}', f'reason: "{"x" * 79}...: write a text of 1 to 1,000'),
)


@pytest.mark.parametrize(("body", "told"), BODIES)
def test_body__that_does_not_fit__is_told_by_field_value_and_what_is_allowed(
    body: bytes, told: str
) -> None:
    assert detail_of(lambda: decoded(body, msgspec.json.Decoder(Market))).startswith(told)


def detail_of(read: Any) -> str:
    with pytest.raises(Refused) as refused:
        read()
    assert refused.value.problem.status == 400
    return refused.value.problem.detail


def test_body__nested_ever_deeper__is_refused_and_shown_no_further_than_80_characters() -> None:
    shown = f"reason: {'[' * 80}...: write a text of 1 to 1,000 characters"
    for depth in range(900, 1100):
        body = b'{"reason":%s%s}' % (b"[" * depth, b"]" * depth)
        told = detail_of(partial(decoded, body, msgspec.json.Decoder(Market)))
        assert told.startswith((shown, "the body is not valid JSON: maximum recursion"))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"pageLimit": "0"}, 'pageLimit: "0": write a whole number from 1 to 20,000'),
        ({"order": "newst"}, 'order: "newst": write one of newest, oldest; did you mean newest?'),
        ({"pagelimit": "5"}, 'pagelimit: "5": not a field here; did you mean pageLimit?'),
    ],
)
def test_query__that_does_not_fit__is_told_alike(query: dict[str, str], told: str) -> None:
    assert detail_of(lambda: converted(query, Market)) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"key":"\\ud800"}', "a text holds half of a surrogate pair"),
        (b'{"key":', "the body is not valid JSON: Input data was truncated; send a JSON object"),
        (b'{"key":"\xff"}', "the body is not valid JSON: "),
        (b"[" * 5000, "the body is not valid JSON: "),
    ],
)
def test_body__that_is_no_json__is_told(body: bytes, told: str) -> None:
    assert detail_of(lambda: decoded(body, msgspec.json.Decoder(Market))).startswith(told)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_pattern__of_every_route__has_words(route: Any) -> None:
    for asked in (route.request, route.query):
        if asked is not None:
            assert_worded(inspect.type_info(asked), {})


def assert_worded(kind: Any, extra: dict[str, Any]) -> None:
    """Walks all that `kind` consists of."""
    if isinstance(kind, inspect.Metadata):
        assert_worded(kind.type, kind.extra or {})
        return
    assert getattr(kind, "pattern", None) is None or ALLOWED in extra
    parts = [getattr(kind, name, None) for name in ("key_type", "value_type", "item_type")]
    parts += [*getattr(kind, "types", ()), *(field.type for field in getattr(kind, "fields", ()))]
    for part in parts:
        if part is not None:
            assert_worded(part, {})
