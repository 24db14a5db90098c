"""Which feeds there are, and out of which others each is made."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from fairlot.engine import Feed, FeedAlgorithm, compile_condition
from fairlot.engine.errors import located

MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 1_000
PRODUCTS_KEPT: Final = MAX_OFFSET + MAX_LIMIT
"""Of each feed, so that the last page is a whole one."""
BUILT_IN: Final[Mapping[str, Feed]] = {
    each.value: Feed(each.value, each, fill_up=(FeedAlgorithm.NEWEST.value,))
    if each is FeedAlgorithm.MOST_POPULAR
    else Feed(each.value, each)
    for each in FeedAlgorithm
}
Filter = Callable[[Mapping[str, Any]], bool]
_encode: Final = msgspec.json.Encoder(order="deterministic", enc_hook=dict).encode


def with_built_in(defined: Sequence[Feed]) -> dict[str, Feed]:
    """By key; a definition takes the place of a built-in feed."""
    return {**BUILT_IN, **{feed.key: feed for feed in defined}}


def sources_of(feed: Feed, feeds: Mapping[str, Feed]) -> tuple[Feed, ...]:
    """The feed and those that fill it up, each once, in the order in which they do."""
    found: dict[str, Feed] = {}
    waiting = [feed]
    while waiting:
        each = waiting.pop()
        if each.key not in found:
            found[each.key] = each
            waiting += [feeds[key] for key in reversed(each.fill_up) if key in feeds]
    return tuple(found.values())


def digest_of(sources: Sequence[Feed]) -> str:
    """Another one when what has to be computed is another."""
    return sha256(_encode(sources)).hexdigest()


def filter_of(feeds: Sequence[Feed]) -> Filter | None:
    """Whether a product may be in all of them; None where all may. Raises InvalidExperiment."""
    tests = [test for feed in feeds for test in _tests_of(feed)]
    if not tests:
        return None
    return lambda product: all(test(product) for test in tests)


def _tests_of(feed: Feed) -> Iterator[Filter]:
    if feed.only:
        with located("only"):
            yield compile_condition(feed.only)
    if feed.exclude:
        with located("exclude"):
            excludes = compile_condition(feed.exclude)
        yield lambda product: not excludes(product)
