"""Statements that run often, compiled once for each database: it takes longer to make one than to
run it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, ClauseElement, Connection, bindparam

from fairlot.store.profiles.chunks import MOST_VALUES, chunks

Values = tuple[Any, ...]
_SIZES: Final = (1, 8, 64, MOST_VALUES)
"""A list is filled up to one of these, so that drivers and databases know the statement again."""


class _Compiled(NamedTuple):
    """`places` says which value goes where; None when they are named."""

    text: str
    places: tuple[int, ...] | None
    is_plain: bool


class Prepared:
    """`names` are its bind parameters, in the order in which their values come. The values go to
    the driver as they are."""

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        self._statement = statement
        self._names = names
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, values: Values) -> Sequence[Any]:
        compiled = self._of(connection)
        given = self._given(compiled, values)
        return connection.exec_driver_sql(compiled.text, given).all()

    def run_all(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Once with each of them."""
        if rows:
            compiled = self._of(connection)
            given = list(rows)
            if not compiled.is_plain:
                given = [self._given(compiled, each) for each in rows]
            connection.exec_driver_sql(compiled.text, given)

    def _of(self, connection: Connection) -> _Compiled:
        dialect = connection.dialect
        found = self._compiled.get(dialect.name)
        if found is None:
            made: Any = self._statement.compile(dialect=dialect)
            places = None
            if made.positiontup is not None:
                places = tuple(self._names.index(name) for name in made.positiontup)
            is_plain = places == tuple(range(len(self._names)))
            found = self._compiled[dialect.name] = _Compiled(str(made), places, is_plain)
        return found

    def _given(self, compiled: _Compiled, values: Values) -> Any:
        if compiled.is_plain:
            return values
        if compiled.places is None:
            return dict(zip(self._names, values, strict=True))
        return tuple(values[place] for place in compiled.places)


class Listing:
    """A statement about a list of values, however long: `make` is given their bind parameters.
    `names` are its others."""

    def __init__(
        self, make: Callable[[Sequence[BindParameter[Any]]], ClauseElement], *names: str
    ) -> None:
        self._make = make
        self._names = names
        self._prepared: dict[int, Prepared] = {}

    def rows(
        self, connection: Connection, values: Iterable[Any], *others: Any
    ) -> Iterator[Sequence[Any]]:
        """Row by row; in no order over all of them."""
        for chunk in chunks(values):
            size = next(each for each in _SIZES if each >= len(chunk))
            filled = (*chunk, *(chunk[-1:] * (size - len(chunk))))
            yield from self._of_size(size).rows(connection, (*others, *filled))

    def _of_size(self, size: int) -> Prepared:
        found = self._prepared.get(size)
        if found is None:
            names = [f"value_{number}" for number in range(size)]
            statement = self._make([bindparam(name) for name in names])
            found = self._prepared[size] = Prepared(statement, *self._names, *names)
        return found
