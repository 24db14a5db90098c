"""The OpenAPI document as people read it: operations, and the shapes of what goes in and out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_REF: Final = "#/components/schemas/"
_Json = Mapping[str, Any]
# Refusals of every request, which the page says once.
_EVERYWHERE: Final = frozenset({"405", "408", "431"})


@dataclass(frozen=True, slots=True)
class Field:
    """`kind` is a type in words; of a parameter with the place that it is in."""

    name: str
    kind: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    status: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and the kinds of the answers name shapes."""

    method: str
    path: str
    summary: str
    text: str
    parameters: tuple[Field, ...]
    body: str
    answers: tuple[AnswerLine, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with its fields, or with `kind` the values of an enum."""

    name: str
    text: str
    kind: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]


def reference_of(document: _Json) -> Reference:
    """Of an OpenAPI document of ours."""
    operations = tuple(
        _operation(path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    )
    schemas: _Json = document["components"]["schemas"]
    shapes = tuple(_shape(name, schemas[name]) for name in sorted(schemas))
    return Reference(operations, shapes)


def _operation(path: str, method: str, operation: _Json) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    return Operation(
        method=method,
        path=path,
        summary=operation["summary"],
        text=operation.get("description", ""),
        parameters=tuple(map(_parameter, operation["parameters"])),
        body=", ".join(kind_of(each["schema"]) for each in content.values()),
        answers=tuple(_answers(operation["responses"])),
    )


def _parameter(parameter: _Json) -> Field:
    kind = f"{parameter['in']}, {kind_of(parameter['schema'])}"
    text = parameter.get("description", "")
    return Field(parameter["name"], kind, parameter.get("required", False), text)


def _answers(responses: _Json) -> Iterator[AnswerLine]:
    for status, response in responses.items():
        if status in _EVERYWHERE:
            continue
        kinds = [
            kind_of(each["schema"]) if each["schema"] else media
            for media, each in response.get("content", {}).items()
        ]
        yield AnswerLine(status, response["description"], ", ".join(kinds))


def _shape(name: str, schema: _Json) -> Shape:
    required = schema.get("required", ())
    fields = tuple(
        Field(field, kind_of(own), field in required, own.get("description", ""))
        for field, own in schema.get("properties", {}).items()
    )
    kind = "" if fields or schema.get("type") == "object" else kind_of(schema)
    return Shape(name, schema.get("description", ""), kind, fields)


def kind_of(schema: _Json) -> str:
    """A schema in words, as in `list of text`, `integer (1 to 200)`, `ApiKey or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(map(kind_of, schema[union]))
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return _one_of(schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        how_many = _bounds(schema, "minItems", "maxItems")
        return f"list of {kind_of(schema.get('items', {}))}{f' ({how_many})' if how_many else ''}"
    return " ".join([_WORDS.get(kind, kind), *_details(schema)])


_WORDS: Final = {"string": "text", "number": "number", "boolean": "true or false"}


def _details(schema: _Json) -> Iterable[str]:
    if schema.get("format") == "date-time":
        yield "(RFC 3339)"
    if "minimum" in schema or "maximum" in schema:
        yield f"({_bounds(schema, 'minimum', 'maximum')})"
    if "minLength" in schema or "maxLength" in schema:
        yield f"({_bounds(schema, 'minLength', 'maxLength')} characters)"


def _bounds(schema: _Json, low: str, high: str) -> str:
    if low in schema and high in schema:
        return f"{schema[low]} to {schema[high]}"
    if high in schema:
        return f"{schema[high]} at most"
    return f"{schema[low]} or more" if low in schema else ""


def _one_of(values: Iterable[Any]) -> str:
    return " or ".join(map(_literal, values))


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()
