"""Conditions over the parameters of a query string."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.model import QueryOperator, QueryParam
from fairlot.engine.patterns import compile_regex

QueryTest = Callable[[str], bool]
_ValuesTest = Callable[[Sequence[str]], bool]

MAX_PARAMS: Final = 50
MAX_QUERY_CHARS: Final = 8192

_ASCII_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def ascii_folded(text: str) -> str:
    return text.translate(_ASCII_LOWER)


def compile_query_params(params: Iterable[QueryParam]) -> QueryTest:
    """A function that says whether a query string satisfies all of `params`.

    A repeated key holds when any of its values does; `not_equals` needs none to be equal.
    """
    tests = []
    for index, param in enumerate(params):
        if index == MAX_PARAMS:
            raise InvalidExperiment("", f"[{index}]", f"use at most {MAX_PARAMS} conditions")
        with located(f"[{index}].value"):
            tests.append((param.key, _BUILDERS[param.operator](param.value)))

    def holds(query: str) -> bool:
        if len(query) > MAX_QUERY_CHARS:
            return False
        values = query_values(query)
        return all(test(values.get(key, ())) for key, test in tests)

    return holds


@lru_cache(maxsize=1024)
def query_values(query: str) -> Mapping[str, Sequence[str]]:
    """The values of each key: `+` a space, percent-decoded as UTF-8 with replacement."""
    text = query.removeprefix("?").partition("#")[0]
    values: dict[str, list[str]] = {}
    for part in text.split("&"):
        if part:
            key, _, value = part.partition("=")
            values.setdefault(_decoded(key), []).append(_decoded(value))
    return values


def _decoded(text: str) -> str:
    return unquote_plus(text, errors="replace") if "%" in text or "+" in text else text


def _equals(wanted: str) -> _ValuesTest:
    folded = ascii_folded(wanted)
    return lambda values: any(ascii_folded(value) == folded for value in values)


def _not_equals(wanted: str) -> _ValuesTest:
    equal = _equals(wanted)
    return lambda values: not equal(values)


def _contains(wanted: str) -> _ValuesTest:
    folded = ascii_folded(wanted)
    return lambda values: any(folded in ascii_folded(value) for value in values)


def _exists(_wanted: str) -> _ValuesTest:
    return lambda values: bool(values)


def _not_exists(_wanted: str) -> _ValuesTest:
    return lambda values: not values


def _regex(wanted: str) -> _ValuesTest:
    search = compile_regex(wanted)
    return lambda values: any(map(search, values))


_BUILDERS: Final[dict[QueryOperator, Callable[[str], _ValuesTest]]] = {
    QueryOperator.EQUALS: _equals,
    QueryOperator.NOT_EQUALS: _not_equals,
    QueryOperator.CONTAINS: _contains,
    QueryOperator.EXISTS: _exists,
    QueryOperator.NOT_EXISTS: _not_exists,
    QueryOperator.REGEX: _regex,
}
