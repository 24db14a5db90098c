"""Questions about decisions: what would be answered, and why. Nothing is recorded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection

from fairlot.engine import Context, Explanation, explain
from fairlot.engine.errors import FairlotError
from fairlot.events import Assignment
from fairlot.manifest.problems import suggestion
from fairlot.service.decisions import decide_with_memory
from fairlot.service.lifecycle import State
from fairlot.service.snapshot import ProjectServing, Snapshot
from fairlot.store.experiments import ExperimentRow, experiments_of
from fairlot.store.tenants import ProjectRow

# The assignments of an experiment id and a unit id, the earliest first.
Stored = Callable[[str, str], Sequence[Assignment]]

_UNSEEN: Final = "which no client sees; start it"
_WHY_NOT_SERVED: Final[Mapping[str, str]] = {
    State.DRAFT: f"a draft, {_UNSEEN}",
    State.REVIEW: f"in review, {_UNSEEN} when it is approved",
    State.APPROVED: f"approved, {_UNSEEN}",
    State.COMPLETED: "completed without a rollout, so no client sees it any more; to serve one"
    " variant to everybody, roll it out",
    State.KILLED: "killed, so no client sees it any more",
}


class NothingPublished(FairlotError):
    """A project without a manifest, or without any experiment."""

    code = "nothing_published"

    def __init__(self, project: ProjectRow) -> None:
        super().__init__(
            f"{project.organization_key}/{project.key}: nothing is published there; publish with"
            " `fairlot apply DIR`, or check the spelling"
        )


class UnknownExperiment(FairlotError):
    code = "unknown_experiment"

    def __init__(self, key: str, known: Mapping[str, ExperimentRow]) -> None:
        self.key = key
        super().__init__(f"{key}: no such experiment; {suggestion(key, known)}")


class NotServed(FairlotError):
    """An experiment that exists, and that clients do not see."""

    code = "not_served"

    def __init__(self, key: str, status: str, version: int) -> None:
        self.key = key
        self.status = status
        why = _WHY_NOT_SERVED.get(
            status, f"{status}, but not in manifest version {version}; publish it"
        )
        super().__init__(f"{key}: {why}")


def serving_experiment(
    connection: Connection, snapshot: Snapshot, project: ProjectRow, key: str
) -> ProjectServing:
    """What is served of the project, with that experiment in it. Raises NothingPublished,
    UnknownExperiment or NotServed."""
    serving = snapshot.projects.get((project.organization_key, project.key))
    if serving is not None and key in serving.compiled.experiments:
        return serving
    stored = experiments_of(connection, project.id)
    known = {name: row for name, row in stored.items() if row.deleted_at_ms is None}
    if serving is None or not known:
        raise NothingPublished(project)
    if key not in known:
        raise UnknownExperiment(key, known)
    raise NotServed(key, known[key].status, serving.version)


def explain_with_memory(
    serving: ProjectServing, key: str, subject_id: str, context: Context, stored: Stored
) -> Explanation:
    """The decision that the server would make, with its trace."""
    decide_with_memory(serving, key, subject_id, context, stored)
    return explain(serving.compiled, key, subject_id, context)
