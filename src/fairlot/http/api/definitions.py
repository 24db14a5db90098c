"""Layers, segments, metrics, holdouts, feeds and properties."""

from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from fairlot.http.api.documents import document_routes
from fairlot.http.api.nouns import Noun
from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer, Route
from fairlot.manifest.definitions import DEFINITION_KINDS, DocumentKind
from fairlot.service.actors import Scope
from fairlot.store.definitions import DefinitionRow, definitions_of, find_definition
from fairlot.store.tenants import ProjectRow


class DefinitionItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`salt` is what its draws or its hashes begin with; null where nothing is hashed."""

    kind: str
    key: str
    salt: str | None
    revision: int
    created_at: str
    updated_at: str


class DefinitionDocument(DefinitionItem, frozen=True, kw_only=True, rename="camel"):
    """`source` is the text that it was written as, empty for a layer that was made when an
    experiment first named it; `definition` is how it is understood."""

    source: str
    definition: dict[str, Any]


def _list(kind: DocumentKind, call: Call[Paging]) -> Outcome:
    rows = [
        row
        for row in definitions_of(call.connection, call.tenant.id)
        if row.kind == kind and row.deleted_at_ms is None
    ]
    return page_of_all(call, rows, lambda row: (row.key,), _item)


def _item(row: DefinitionRow) -> DefinitionItem:
    return DefinitionItem(
        kind=row.kind,
        key=row.key,
        salt=row.salt,
        revision=row.revision,
        created_at=written(row.created_at_ms),
        updated_at=written(row.updated_at_ms),
    )


def _document(row: DefinitionRow) -> DefinitionDocument:
    return DefinitionDocument(
        **msgspec.structs.asdict(_item(row)),
        source=row.source,
        definition=msgspec.json.decode(row.document),
    )


def _find(
    kind: DocumentKind, connection: Connection, tenant: ProjectRow, key: str
) -> DefinitionRow | None:
    row = find_definition(connection, tenant.id, kind, key)
    return None if row is None or row.deleted_at_ms is not None else row


def _routes(kind: DocumentKind) -> tuple[Route, ...]:
    noun = Noun(kind.value, kind.plural, partial(_find, kind), _document, DefinitionDocument)
    return (
        read(
            noun.list_path,
            f"List the {noun.plural} of a project, by key",
            Scope.READ,
            partial(_list, kind),
            {200: Answer("One page.", (Page[DefinitionItem],))},
            query=Paging,
        ),
        *document_routes(noun),
    )


ROUTES: Final = tuple(route for kind in DEFINITION_KINDS for route in _routes(kind))
