"""What a change does to what clients have now."""

from collections.abc import Iterator

from sqlalchemy import Connection

from fairlot.engine import Manifest
from fairlot.engine.needs import needing_server
from fairlot.manifest import manifest_from_json
from fairlot.service.plan_document import PlanWarning
from fairlot.store.experiments import live_versions, read_manifest
from fairlot.store.tenants import ProjectRow


def live_manifest(connection: Connection, tenant: ProjectRow) -> Manifest:
    """What is decided by: the newest version that is not revoked."""
    for version in live_versions(connection, tenant.id)[:1]:
        return manifest_from_json(read_manifest(connection, tenant.id, version).decided_by)
    return Manifest(tenant.organization_key, tenant.key, 0, "", ())


def crossing_warnings(before: Manifest, after: Manifest) -> Iterator[PlanWarning]:
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
