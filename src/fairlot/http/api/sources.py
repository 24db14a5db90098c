"""The texts of a project, as they were written."""

from typing import Final

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read
from fairlot.http.management.instants import Instant, milliseconds, written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.revisions import texts_at
from fairlot.store.revisions import RevisionRow


class ListSources(Paging, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`at` absent is now."""

    at: Instant | None = None


class SourceText(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`source` is the text of the newest revision, byte for byte."""

    kind: str
    key: str
    revision: int
    at: str
    source: str


def list_sources(call: Call[ListSources]) -> Outcome:
    at_ms = call.now_ms if call.asked.at is None else milliseconds(call.asked.at)
    rows = texts_at(call.connection, call.tenant, at_ms)
    return page_of_all(call, rows, lambda row: (row.kind, row.key), _source)


def _source(row: RevisionRow) -> SourceText:
    return SourceText(
        kind=row.kind,
        key=row.key,
        revision=row.number,
        at=written(row.at_ms),
        source=row.source,
    )


ROUTES: Final = (
    read(
        "/api/v1/orgs/{org}/projects/{project}/sources",
        "List the texts of all experiments and definitions, of now or of a moment before",
        Scope.READ,
        list_sources,
        {200: Answer("One page.", (Page[SourceText],))},
        query=ListSources,
    ),
)
