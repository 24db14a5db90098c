"""The smallest request that fits what a route documents, made from its JSON Schema."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

_Json = Mapping[str, Any]
_TEXTS = ("planted", "prv_1", "2030-01-01T00:00:00Z")


def smallest_body(request: type | None) -> bytes:
    if request is None:
        return b""
    (schema,), components = msgspec.json.schema_components((request,), ref_template="{name}")
    return msgspec.json.encode(example_of(schema, components))


def example_of(schema: _Json, components: _Json) -> Any:
    """With the required fields only, the first of several alternatives, and the least numbers."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"]], components)
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], components)
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if "enum" in schema:
        return schema["enum"][0]
    return _EXAMPLES[schema["type"]](schema, components)


def _object(schema: _Json, components: _Json) -> dict[str, Any]:
    fields = schema.get("properties", {})
    return {name: example_of(fields[name], components) for name in schema.get("required", ())}


def _array(schema: _Json, components: _Json) -> list[Any]:
    return [example_of(schema["items"], components) for _ in range(schema.get("minItems", 0))]


def _text(schema: _Json, _components: _Json) -> str:
    if schema.get("format") == "date-time":
        return "2030-01-01T00:00:00Z"
    pattern = re.compile(schema.get("pattern", ""))
    return next(text for text in _TEXTS if pattern.search(text))


def _number(schema: _Json, _components: _Json) -> int:
    least: int = schema.get("minimum", 0)
    return least


_EXAMPLES: Mapping[str, Callable[[_Json, _Json], Any]] = {
    "object": _object,
    "array": _array,
    "string": _text,
    "integer": _number,
    "number": _number,
}
