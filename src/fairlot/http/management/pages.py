"""Lists by pages. A cursor is the position of the last item that was seen, sealed for its list: it
tells nothing, cannot be made up, and stays right while others insert and delete."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

from fairlot.http.management.call import Call, Outcome
from fairlot.http.problems import Refused, invalid_fields
from fairlot.store.vault import SealBroken, vault_of

MOST_ITEMS: Final = 200
Position = tuple[int | str, ...]
Row = TypeVar("Row")
Item = TypeVar("Item")


class Paging(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The query of a list; a list with filters derives its own."""

    limit: Annotated[
        int, msgspec.Meta(ge=1, le=MOST_ITEMS, description="The most items of a page.")
    ] = 50
    cursor: (
        Annotated[
            str, msgspec.Meta(max_length=2048, description="`next` of the page before this one.")
        ]
        | None
    ) = None


class Page(msgspec.Struct, Generic[Item], frozen=True):
    """`next` is the cursor of the page that follows; null on the last one."""

    items: tuple[Item, ...]
    next: str | None


def position_after(call: Call[Any]) -> Position | None:
    """Where the page begins: after the item of this position; None is at the beginning.
    Refused (400) for a cursor that this list did not give."""
    cursor: str | None = call.asked.cursor
    if cursor is None:
        return None
    try:
        sealed = base64.urlsafe_b64decode(cursor.encode("ascii") + b"==")
        position = vault_of(call.connection).unseal(_seal_name(call), sealed)
    except (binascii.Error, ValueError, SealBroken):
        raise _wrong_cursor() from None
    return tuple(msgspec.msgpack.decode(position))


def page_of(
    call: Call[Any],
    rows: Sequence[Row],
    position: Callable[[Row], Position],
    document: Callable[[Row], msgspec.Struct],
) -> Outcome:
    """Of rows that begin after `position_after(call)`, in order, and are `limit + 1` or more:
    whether there is one more tells whether there is a next page."""
    shown = rows[: call.asked.limit]
    more = len(rows) > len(shown)
    cursor = _cursor(call, position(shown[-1])) if more else None
    return Outcome(Page(tuple(document(row) for row in shown), cursor))


def page_of_all(
    call: Call[Any],
    rows: Iterable[Row],
    position: Callable[[Row], Position],
    document: Callable[[Row], msgspec.Struct],
) -> Outcome:
    """Of all rows of a list that is short enough to be read whole, in the order of their
    positions. They are sorted here, because a database may order text by the rules of a language.
    """
    after = position_after(call)
    following = [row for row in rows if after is None or position(row) > after]
    return page_of(call, sorted(following, key=position), position, document)


def _cursor(call: Call[Any], position: Position) -> str:
    sealed = vault_of(call.connection).seal(_seal_name(call), msgspec.msgpack.encode(position))
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _seal_name(call: Call[Any]) -> str:
    return f"cursor:{call.list_name}"


def _wrong_cursor() -> Refused:
    return invalid_fields("cursor: is not one of this list; begin again without it")
