"""The document of a plan: what would change, and who would move."""

from collections.abc import Iterator

from sqlalchemy import Connection

from fairlot.engine import Manifest
from fairlot.engine.needs import needing_server
from fairlot.manifest import manifest_from_json, manifest_to_json
from fairlot.service.changes.applying import Planned
from fairlot.service.effects import effects_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import PlanDocument, PlanWarning
from fairlot.service.publishing import refuse_newly_broken
from fairlot.store.experiments import live_versions, newest_manifest, read_manifest
from fairlot.store.tenants import ProjectRow


def describe_plan(
    connection: Connection, planned: Planned, known: KnownSubjects | None, *, now_ms: int
) -> PlanDocument:
    """Compared with what clients have now. Reads the event log, which may take seconds. Raises
    Refused for what the publish would be refused for."""
    prepared = planned.prepared
    tenant, after = prepared.before.tenant, prepared.after.manifest()
    newest = newest_manifest(connection, tenant.id)
    refuse_newly_broken(manifest_to_json(after), newest, prepared.documents.experiments)
    live = _live_manifest(connection, tenant)
    effects = effects_of(live, after, known, now_ms=now_ms)
    return PlanDocument(
        org=tenant.organization_key,
        project=tenant.key,
        base=planned.base,
        now_ms=now_ms,
        changes=prepared.changes,
        effects=effects.effects,
        warnings=(*prepared.warnings, *_crossings(live, after)),
        not_in_files=planned.not_in_files,
        known=effects.known,
    )


def _crossings(before: Manifest, after: Manifest) -> Iterator[PlanWarning]:
    """Experiments that clients could decide and no longer can, or the other way round."""
    asked, will_ask = needing_server(before), needing_server(after)
    known = {each.key for each in before.experiments}
    for key in sorted(known & {each.key for each in after.experiments}):
        if key in will_ask and key not in asked:
            sentence = (
                "only the server decides it from now on: SDKs answer the default, so ask the"
                " assignment API first"
            )
            yield PlanWarning(code="server_only", about=f"experiment:{key}", sentence=sentence)
        elif key in asked and key not in will_ask:
            sentence = "its rule, weights and payloads will be in the manifest, for all to read"
            yield PlanWarning(code="now_public", about=f"experiment:{key}", sentence=sentence)


def _live_manifest(connection: Connection, tenant: ProjectRow) -> Manifest:
    """What is decided by: the newest version that is not revoked."""
    for version in live_versions(connection, tenant.id)[:1]:
        return manifest_from_json(read_manifest(connection, tenant.id, version).decided_by)
    return Manifest(tenant.organization_key, tenant.key, 0, "", ())
