"""The document of a plan: what would change, and who would move."""

from sqlalchemy import Connection

from fairlot.manifest import manifest_to_json
from fairlot.service.changes.applying import Planned
from fairlot.service.changes.comparing import crossing_warnings, live_manifest
from fairlot.service.effects import effects_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import PlanDocument
from fairlot.service.publishing import refuse_newly_broken
from fairlot.store.experiments import newest_manifest


def describe_plan(
    connection: Connection, planned: Planned, known: KnownSubjects | None, *, now_ms: int
) -> PlanDocument:
    """Compared with what clients have now. Reads the event log, which may take seconds. Raises
    Refused for what the publish would be refused for."""
    prepared = planned.prepared
    tenant, after = prepared.before.tenant, prepared.after.manifest()
    newest = newest_manifest(connection, tenant.id)
    refuse_newly_broken(manifest_to_json(after), newest, prepared.documents.experiments)
    live = live_manifest(connection, tenant)
    effects = effects_of(live, after, known, now_ms=now_ms)
    return PlanDocument(
        org=tenant.organization_key,
        project=tenant.key,
        base=planned.base,
        now_ms=now_ms,
        changes=prepared.changes,
        effects=effects.effects,
        warnings=(*prepared.warnings, *crossing_warnings(live, after)),
        not_in_files=planned.not_in_files,
        known=effects.known,
    )
