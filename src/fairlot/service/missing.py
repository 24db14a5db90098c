"""What a project does not have, with what was most likely meant."""

from sqlalchemy import Connection

from fairlot.manifest.problems import nearest
from fairlot.service.project_state import EXPERIMENT
from fairlot.service.refusals import NotThere
from fairlot.store.definitions import live_definition_keys
from fairlot.store.experiments import live_experiment_keys
from fairlot.store.tenants import ProjectRow


def not_there(connection: Connection, tenant: ProjectRow, kind: str, key: str) -> NotThere:
    """To be raised."""
    if kind == EXPERIMENT:
        known = live_experiment_keys(connection, tenant.id)
    else:
        known = live_definition_keys(connection, tenant.id, kind)
    near = nearest(key, known)
    return NotThere(kind, key, f"did you mean {near}?") if near else NotThere(kind, key)
