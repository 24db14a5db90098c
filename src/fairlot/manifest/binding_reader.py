"""Feeds that a payload binds: `{$feed: <key>}` and what is asked of it."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from fairlot.engine.bindings import FEED
from fairlot.manifest.feed_reader import MAX_FIELDS, MAX_LIMIT
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.names import unknown_name
from fairlot.manifest.nodes import ListNode, MapNode, Node
from fairlot.manifest.shapes import Text, Texts, Whole

MAX_OFFSET: Final = 1_000
_FEED: Final = Field(FEED, Text(64), "The key of a feed.", is_required=True)
_LIMIT: Final = Field("limit", Whole(1, MAX_LIMIT), "How many products.")
_OFFSET: Final = Field("offset", Whole(0, MAX_OFFSET), "How many of them are left out first.")
_FIELDS: Final = Field("fields", Texts(MAX_FIELDS, 200), "The fields of each product.")
_ASKED: Final[tuple[Field[Any], ...]] = (_LIMIT, _OFFSET, _FIELDS)
_BINDING_TABLE: Final = Table((_FEED, *_ASKED))


def check_bindings(fields: Fields, name: str, known: Collection[str]) -> None:
    """Adds what is wrong with the bindings in the value of a field; `known` are keys of feeds."""
    node = fields.node(name)
    for path, binding in [] if node is None else _bindings_in(node, fields.at(name)):
        bound = Fields(binding, path, fields.problems, _BINDING_TABLE)
        key = bound.read(_FEED)
        if key is not None and key not in known:
            bound.refuse(FEED, unknown_name("feed", key, known))
        for field in _ASKED:
            bound.read(field)


def _bindings_in(node: Node, path: str) -> Iterator[tuple[str, MapNode]]:
    waiting = [(path, node)]
    while waiting:
        at, part = waiting.pop()
        if isinstance(part, ListNode):
            waiting += [(f"{at}[{index}]", each) for index, each in enumerate(part.items)][::-1]
        elif isinstance(part, MapNode):
            if FEED in part.entries:
                yield at, part
            else:
                waiting += [(f"{at}.{key}", each) for key, each in part.entries.items()][::-1]
