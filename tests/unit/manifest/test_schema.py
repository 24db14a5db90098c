"""The JSON Schema and the reader are of one mind, field by field and limit by limit."""

import json
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from fairlot.engine import OPERATORS
from fairlot.manifest.definitions import DocumentKind
from fairlot.manifest.nodes import json_value
from fairlot.manifest.problems import Problems, SpecProblem
from fairlot.manifest.schema import generate_schema, read_schema, schema_document
from fairlot.manifest.yaml_reader import read_documents
from support.experiment_texts import SCHEMA, read_text

ROOT = Path(__file__).parents[3]
WRITTEN = [
    *sorted((ROOT / "examples").rglob("*.yaml")),
    *sorted((ROOT / "src" / "fairlot" / "cli").rglob("*.yaml")),
]
Way = tuple[str | int, ...]

VARIANT = {
    "key": "a",
    "name": "A",
    "isControl": True,
    "weight": 10000,
    "recipeSampleRate": 0.5,
    "payload": {"any": ["thing"]},
    "js": "js",
    "css": "css",
    "domOps": [{"op": "hide"}],
}
EXPERIMENT = {
    "kind": "experiment",
    "key": "e",
    "name": "E",
    "description": "D",
    "hypothesis": "H",
    "owner": "O",
    "tags": ["t"],
    "type": "personalization",
    "status": "completed",
    "rollout": "a",
    "group": "g",
    "priority": 1,
    "unit": "subject",
    "salt": "s",
    "audience": {
        "rule": {"tier": "pro"},
        "segments": ["ruled"],
        "urlPatterns": ["/a"],
        "queryParams": [{"key": "k", "operator": "equals", "value": "v"}],
        "device": "all",
        "visitorStatus": "any",
        "sampleRate": 0.5,
    },
    "layer": {"key": "l", "start": 0, "end": 10},
    "schedule": {
        "start": "2026-11-23T06:00:00Z",
        "end": "2026-11-24T06:00:00Z",
        "hours": {"days": ["mon"], "from": "09:00", "to": "17:00"},
    },
    "divertTo": "a",
    "display": "always",
    "onLogin": "keep",
    "recheckAudience": True,
    "adapterIsRandomised": True,
    "manualExposure": True,
    "trigger": {"kind": "auto", "more": 1},
    "sharedJs": "js",
    "sharedCss": "css",
    "metadata": {"any": "thing"},
    "variants": [VARIANT],
    "metrics": [
        {"metric": "m", "isPrimary": True, "minimumEffect": 0.5},
        {
            "key": "own",
            "name": "N",
            "kind": "sum",
            "eventName": "paid",
            "isPrimary": False,
            "isGuardrail": True,
            "margin": 0.25,
        },
    ],
    "analysis": {
        "method": "group_sequential",
        "alpha": 0.1,
        "plannedSize": 50000,
        "looks": 4,
        "cuped": False,
    },
}
TRIGGERED = {
    "key": "triggered",
    "name": "T",
    "type": "personalization",
    "when": {"event": "view", "where": {"page": "pricing"}, "count": 3, "within": "7d"},
    "for": "12h",
    "limit": 2,
    "controlShare": 0.2,
    "variants": [{"key": "a", "name": "A"}],
}
COUNTED = {"kind": "property", "key": "counted", "when": {"event": "view"}, "take": "count"}
COMMON = {"key": "k", "name": "N", "description": "D"}
DOCUMENTS: list[dict[str, Any]] = [
    EXPERIMENT,
    {
        "id": "other",
        "name": "Other",
        "sampleRate": 0.5,
        "variants": [{"key": "a", "name": "A", "redirect": "/new"}, {"key": "b", "name": "B"}],
    },
    {
        "key": "third",
        "name": "T",
        "holdback": 0.1,
        "variants": EXPERIMENT["variants"],
        "type": "personalization",
    },
    {"kind": "layer", **COMMON, "salt": "s"},
    TRIGGERED,
    {
        "kind": "segment",
        **COMMON,
        "key": "ruled",
        "rule": {"a": 1},
        "history": [
            {"event": "order", "where": {"a": 1}, "count": 2, "within": "30m", "performed": False}
        ],
        "segments": ["listed"],
    },
    {
        "kind": "segment",
        **COMMON,
        "key": "listed",
        "values": ["v"],
        "attribute": "a.b",
        "public": True,
        "salt": "s",
    },
    {"kind": "holdout", **COMMON, "rate": 0.1, "salt": "s"},
    {
        "kind": "metric",
        **COMMON,
        "key": "m",
        "type": "sum",
        "eventName": "paid",
        "where": {"a": 1},
        "window": "14d",
        "winsorise": {"cap": 500},
        "direction": "decrease",
        "minimumEffect": 1,
        "margin": 2.5,
        "countsPublic": True,
    },
    {
        "kind": "metric",
        **COMMON,
        "key": "per_visit",
        "type": "ratio",
        "numerator": {"eventName": "paid", "aggregate": "sum", "where": {"a": 1}},
        "denominator": {"eventName": "visit", "aggregate": "count"},
        "winsorise": {"quantile": 0.99},
    },
    {"kind": "metric", **COMMON, "key": "q", "type": "quantile", "eventName": "e", "quantile": 0.5},
    {
        "kind": "feed",
        **COMMON,
        "algorithm": "most_popular",
        "weights": {"view": 1, "cart": 2.5, "order": 0},
        "halfLife": "7d",
        "fillUp": ["newest"],
        "only": {"a": 1},
        "exclude": {"b": {"$gt": 2}},
        "pin": ["p"],
        "fields": ["title"],
        "limit": 4,
    },
    {
        "kind": "property",
        **COMMON,
        "when": {"event": "view", "where": {"a": 1}, "count": 2, "within": "7d"},
        "value": "cart.total",
        "take": "sum",
    },
    COUNTED,
]


def dotted(way: Way) -> str:
    parts = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in way)
    return "".join(parts).removeprefix(".")


def problems_of(documents: list[dict[str, Any]], index: int) -> list[SpecProblem]:
    """What the reader finds wrong with one of the documents."""
    text = "\n---\n".join(json.dumps(each, ensure_ascii=False) for each in documents)
    return [each for each in read_text(text)[1] if each.line == 2 * index + 1]


def errors_of(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Path and keyword of all that the schema finds wrong with a document."""
    return set(map(_told, _leaves(SCHEMA.iter_errors(document))))


def _leaves(errors: Iterable[jsonschema.ValidationError]) -> Iterator[jsonschema.ValidationError]:
    for error in errors:
        yield error
        yield from _leaves(error.context or ())


def _told(error: jsonschema.ValidationError) -> tuple[str, str]:
    return dotted(tuple(error.absolute_path)), str(error.validator)


def is_at_or_below(way: Way, path: str) -> bool:
    at = dotted(way)
    return path == at or path.startswith((f"{at}[", f"{at}."))


def is_refused_by_both(documents: list[dict[str, Any]], index: int, way: Way) -> bool:
    by_reader = any(is_at_or_below(way, each.path) for each in problems_of(documents, index))
    by_schema = any(is_at_or_below(way, path) for path, _ in errors_of(documents[index]))
    assert by_reader is by_schema
    return by_reader


def fields_of(value: Any, way: Way = ()) -> Iterator[Way]:
    """The ways to all fields of a document, but for what is inside values that may be anything."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*way, name)
            if name not in FREE:
                yield from fields_of(inner, (*way, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from fields_of(inner, (*way, index))


def parent_of(document: Any, way: Way) -> Any:
    for step in way[:-1]:
        document = document[step]
    return document


def changed(index: int, way: Way, value: Any) -> list[dict[str, Any]]:
    documents = deepcopy(DOCUMENTS)
    parent_of(documents[index], way)[way[-1]] = value
    return documents


def schema_of(document: dict[str, Any], way: Way) -> dict[str, Any]:
    """What the schema says of one field."""
    kind = document.get("kind", "experiment")
    schema: Any = schema_document()["allOf"][[*DocumentKind].index(kind)]["then"]
    value: Any = document
    for step in way:
        value = value[step]
        if isinstance(step, str):
            schema = schema["properties"][step]
            continue
        schema = schema["items"]
        if "anyOf" in schema:
            schema = schema["anyOf"][1 if "metric" in value else 2]
    found: dict[str, Any] = schema
    return found


def tables_in(schema: Any) -> Iterator[dict[str, Any]]:
    """All mappings of fields in a schema, but for conditions on fields that stand elsewhere."""
    if isinstance(schema, dict):
        if "additionalProperties" in schema:
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from tables_in(each)


FREE: Final = frozenset(
    {"payload", "rule", "where", "metadata", "domOps", "trigger", "only", "exclude"}
)
CASES: Final = [
    (index, way) for index, document in enumerate(DOCUMENTS) for way in fields_of(document)
]


def name_of(value: object) -> str:
    return dotted(value) if isinstance(value, tuple) else str(value)


def test_schema__in_the_package__is_what_the_tables_say() -> None:
    assert read_schema() == generate_schema(), "run python docs/generate.py"


def test_schema__by_itself__is_valid() -> None:
    jsonschema.Draft7Validator.check_schema(schema_document())


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_schema__of_every_file_that_we_write__admits_it(path: Path) -> None:
    problems = Problems(path.name)
    documents = read_documents(path.read_text("utf-8"), problems)
    assert documents
    assert not problems.found  # else some of it was not read
    for document in documents:
        assert not list(SCHEMA.iter_errors(json_value(document.root)))


@pytest.mark.parametrize("name", ["when", "for", "limit", "controlShare"])
def test_trigger__of_another_type__is_refused_by_both(name: str) -> None:
    document = {
        "key": "other",
        "name": "O",
        name: TRIGGERED[name],
        "variants": [{"key": "a", "name": "A"}, {"key": "b", "name": "B"}],
    }
    assert [each.path for each in problems_of([document], 0)] == [name]
    assert errors_of(document)
    assert not errors_of({**document, name: None}) or name == "when"


def test_documents__with_every_field__are_sound_to_both() -> None:
    for index, document in enumerate(DOCUMENTS):
        assert problems_of(DOCUMENTS, index) == []
        SCHEMA.validate(document)


def test_documents__with_every_field__have_every_field_of_the_schema() -> None:
    known = {
        name
        for table in tables_in({**schema_document(), "definitions": None})
        for name in table.get("properties", {})
    }
    assert known == {str(way[-1]) for _, way in CASES}


def test_schema__every_field_and_operator__has_a_description() -> None:
    document = schema_document()
    tables = [document, *tables_in(document), document["definitions"]["operand"]]
    assert len(tables) > 10
    for table in tables:
        for name, field in table.get("properties", {}).items():
            assert field.get("description"), name


def test_schema__operators__are_those_of_the_engine() -> None:
    definitions = schema_document()["definitions"]
    rule, operand = definitions["rule"]["properties"], definitions["operand"]["properties"]
    assert {*rule, *operand} == OPERATORS


@pytest.mark.parametrize(("index", "way"), CASES, ids=name_of)
def test_field__of_another_type__is_refused_by_both(index: int, way: Way) -> None:
    is_free = way[-1] == "payload"
    assert is_refused_by_both(changed(index, way, [[["wrong"]]]), index, way) is not is_free


@pytest.mark.parametrize(("index", "way"), CASES, ids=name_of)
def test_field__that_nobody_knows__is_refused_by_both(index: int, way: Way) -> None:
    beside = (*way[:-1], "unknown")
    documents = changed(index, beside, 1)
    assert dotted(beside) in [each.path for each in problems_of(documents, index)]
    assert (dotted(way[:-1]), "additionalProperties") in errors_of(documents[index])


# Without one of these a document or a metric is of another form, and something else is missed.
FORMS: Final = {("kind",), ("id",), ("values",), ("when",), ("metrics", 0, "metric")}
# Both say that something else must be there too, each in its own way.
MISSED_ELSEWHERE: Final = {
    (DOCUMENTS.index(TRIGGERED), ("type",)),
    (DOCUMENTS.index(COUNTED), ("take",)),
}


@pytest.mark.parametrize(
    ("index", "way"),
    [case for case in CASES if case[1] not in FORMS and case not in MISSED_ELSEWHERE],
    ids=name_of,
)
def test_field__that_is_left_out__is_missed_by_both_or_by_none(index: int, way: Way) -> None:
    documents = deepcopy(DOCUMENTS)
    del parent_of(documents[index], way)[way[-1]]
    is_missed = any(
        each.path == dotted(way) and each.message.startswith("missing")
        for each in problems_of(documents, index)
    )
    assert ((dotted(way[:-1]), "required") in errors_of(documents[index])) is is_missed


BEYOND: Final[dict[str, Callable[[Any], Any]]] = {
    "maxLength": lambda most: "a" * (most + 1),
    "minLength": lambda least: "a" * (least - 1),
    "maximum": lambda most: most + 1,
    "minimum": lambda least: least - 1,
    "maxItems": lambda most: ["a"] * (most + 1),
    "enum": lambda _: "never",
}
WITHIN: Final[dict[str, Callable[[Any], Any]]] = {
    "maxLength": lambda most: "a" * most,
    "minLength": lambda least: "a" * least,
    "maximum": lambda most: most,
    "minimum": lambda least: least,
}
LIMITS: Final = [
    (index, way, word, limit)
    for index, way in CASES
    for word, limit in schema_of(DOCUMENTS[index], way).items()
    if word in BEYOND and (word, limit) != ("minLength", 0)
]
LENGTH_FIXES: Final = ("use at most", "write a text,", "whole number", "decimal")


@pytest.mark.parametrize(("index", "way", "word", "limit"), LIMITS, ids=name_of)
def test_limit__of_a_field__is_the_same_for_both(
    index: int, way: Way, word: str, limit: Any
) -> None:
    assert is_refused_by_both(changed(index, way, BEYOND[word](limit)), index, way)
    if word in WITHIN:
        documents = changed(index, way, WITHIN[word](limit))
        assert (dotted(way), word) not in errors_of(documents[index])
        for problem in problems_of(documents, index):
            assert not any(fix in problem.message for fix in LENGTH_FIXES), problem


PATTERNS: Final = [
    (index, way) for index, way in CASES if "pattern" in schema_of(DOCUMENTS[index], way)
]
HOSTILE: Final = (
    "",
    " ",
    "K",
    "k k",
    "k" * 65,
    "k" * 400,
    "ключ",
    "k\u202eyek",
    "k\u0000",
    "\U0001f600",
    "a:b",
    "../..",
    "$k",
    "1",
)


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
@pytest.mark.parametrize(("index", "way"), PATTERNS, ids=name_of)
def test_pattern__of_a_field__is_the_same_for_both(index: int, way: Way, value: str) -> None:
    documents = changed(index, way, value)
    fix = schema_of(DOCUMENTS[index], way)["pattern"]
    problems = [each for each in problems_of(documents, index) if each.path == dotted(way)]
    is_refused = any("name one of the variants" not in each.message for each in problems)
    assert ((dotted(way), "pattern") in errors_of(documents[index])) is is_refused, fix


@pytest.mark.parametrize(
    "segment",
    [
        {},
        {"rule": {"a": 1}, "values": ["v"]},
        {"segments": ["ruled"], "values": ["v"]},
        {"rule": {"a": 1}, "attribute": "a"},
        {"rule": {"a": 1}, "public": False},
        {"rule": {"a": 1}, "salt": "s"},
        {"rule": {"$adn": []}},
        {"rule": {"a": {"$gtt": 1}}},
        {"rule": {"a": {"$in": "x"}}},
        {"rule": {"a": {"$regex": "a" * 501}}},
        {"rule": {"a": {"$vgt": 1}}},
        {"rule": {"$and": {"a": 1}}},
        {"rule": {"a": {"$inGroup": ["listed"]}}},
    ],
    ids=json.dumps,
)
def test_segment__of_no_form__is_refused_by_both(segment: dict[str, Any]) -> None:
    document = {"kind": "segment", "key": "s", **segment}
    assert problems_of([*DOCUMENTS, document], len(DOCUMENTS))
    assert errors_of(document)
