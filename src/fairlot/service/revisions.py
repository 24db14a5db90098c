"""What an experiment or a definition was, and what has changed between two of its revisions."""

from difflib import unified_diff

from msgspec import Struct
from sqlalchemy import Connection

from fairlot.manifest import UnreadableExperiment, experiment_from_json
from fairlot.manifest.definitions import KnownDefinitions, definition_from_json
from fairlot.manifest.documents import read_files
from fairlot.manifest.errors import UnreadableDefinition
from fairlot.manifest.source_files import SourceFile
from fairlot.service.changes.fields import (
    Facts,
    changed_fields,
    definition_facts,
    noted_facts,
    served_facts,
)
from fairlot.service.missing import not_there
from fairlot.service.plan_document import FieldChange
from fairlot.service.project_state import EXPERIMENT, Name
from fairlot.service.refusals import NotThere
from fairlot.store.revisions import RevisionRow, find_revision, revisions_at
from fairlot.store.tenants import ProjectRow


class RevisionDiff(Struct, frozen=True, kw_only=True, rename="camel"):
    """`source` is a unified diff of the two texts; empty when they are the same."""

    kind: str
    key: str
    before: int
    after: int
    fields: tuple[FieldChange, ...]
    source: str


def read_revision(
    connection: Connection, tenant: ProjectRow, name: Name, number: int
) -> RevisionRow:
    """Raises NotThere."""
    found = find_revision(connection, tenant.id, *name, number)
    if found is not None:
        return found
    if find_revision(connection, tenant.id, *name, 1) is None:
        raise not_there(connection, tenant, *name)
    raise NotThere("revision", f"{name[1]} {number}", "list its revisions")


def texts_at(connection: Connection, tenant: ProjectRow, at_ms: int) -> list[RevisionRow]:
    """What stood there at a moment and was written by somebody; by kind and key."""
    return [
        row
        for row in revisions_at(connection, tenant.id, at_ms)
        if row.action != "delete" and row.source
    ]


def diff_revisions(
    before: RevisionRow, after: RevisionRow, known: KnownDefinitions
) -> RevisionDiff:
    """Of the same experiment or definition, in whichever order. `known` is what its text may name;
    the notes of an experiment that names anything else are left to the diff of the texts."""
    lines = unified_diff(
        before.source.splitlines(keepends=True),
        after.source.splitlines(keepends=True),
        f"{before.key} revision {before.number}",
        f"{after.key} revision {after.number}",
    )
    return RevisionDiff(
        kind=after.kind,
        key=after.key,
        before=before.number,
        after=after.number,
        fields=changed_fields(_facts(before, known), _facts(after, known)),
        source="".join(line if line.endswith("\n") else f"{line}\n" for line in lines),
    )


def _facts(row: RevisionRow, known: KnownDefinitions) -> Facts:
    """As far as the document can still be read."""
    try:
        if row.kind != EXPERIMENT:
            return definition_facts(definition_from_json(row.document))
        facts = served_facts(experiment_from_json(row.document))
    except (UnreadableDefinition, UnreadableExperiment):
        return {}
    documents, _ = read_files([SourceFile("", row.source)], known)
    for spec in documents.experiments:
        facts |= noted_facts(spec)
    return facts | {"status": row.status}
