"""The JSON Schema of YAML documents, made of the tables by which they are read."""

import json
from importlib.resources import files
from typing import Any, Final

from fairlot.manifest.definition_reader import DEFINITION_TABLES
from fairlot.manifest.definitions import DocumentKind
from fairlot.manifest.document_kind import KIND
from fairlot.manifest.experiment_fields import EXPERIMENT_TABLE
from fairlot.manifest.fields import JsonSchema
from fairlot.manifest.rule_schema import rule_definitions

# The newest draft that the YAML language server of editors knows in full.
DRAFT: Final = "http://json-schema.org/draft-07/schema#"


SCHEMA_FILE: Final = "fairlot.schema.json"


def read_schema() -> str:
    """The schema as it is shipped: the text that `generate_schema` makes."""
    return (files("fairlot.manifest") / SCHEMA_FILE).read_text("utf-8")


def generate_schema() -> str:
    return json.dumps(schema_document(), indent=2) + "\n"


def schema_document() -> dict[str, Any]:
    """What JSON Schema can say of a document; `fairlot validate` says the rest."""
    tables = {DocumentKind.EXPERIMENT: EXPERIMENT_TABLE, **DEFINITION_TABLES}
    return {
        "$schema": DRAFT,
        "title": "Fairlot experiments and definitions",
        "type": "object",
        "properties": {KIND.name: KIND.schema()},
        "allOf": [{"if": _is(kind), "then": table.schema()} for kind, table in tables.items()],
        "definitions": rule_definitions(),
    }


def _is(kind: DocumentKind) -> JsonSchema:
    if kind is DocumentKind.EXPERIMENT:
        return {"properties": {KIND.name: {"enum": [kind.value, None]}}}
    return {"properties": {KIND.name: {"const": kind.value}}, "required": [KIND.name]}
