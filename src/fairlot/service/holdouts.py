"""The holdout is measured as an experiment of its own: `holdout.<key>`, `held` against `open`."""

from typing import Final

from fairlot.engine import NOT_EVALUATED, Decision, Holdout, Reason, holdout_arm
from fairlot.events import Exposure, derived_event_id
from fairlot.service.snapshot import ProjectServing

_PREFIX: Final = "holdout."


def holdout_exposure(
    project: ProjectServing,
    decision: Decision,
    *,
    subject_id: str,
    unit_id: str,
    at_ms: int,
    received_at_ms: int,
    source: str,
) -> Exposure | None:
    """None when there is no holdout, or the decision evaluated nobody. The id is derived, so a
    repetition counts once, also of another process."""
    holdout, experiment = project.compiled.manifest.holdout, decision.experiment
    if holdout is None or experiment is None or decision.reason in NOT_EVALUATED or not unit_id:
        return None
    arm = holdout_arm(project.compiled, unit_id)
    if arm is None:
        return None
    key = _key(holdout)
    return Exposure(
        derived_event_id(project.project_id, f"{key}:{unit_id}"),
        project.project_id,
        key,
        key,
        subject_id,
        unit_id,
        arm,
        arm,
        project.version,
        experiment.hash_version,
        Reason.BUCKET,  # both arms are drawn, so both count in estimates
        at_ms,
        received_at_ms,
        source=source,
    )


class HoldoutsRecorded:
    """The units whose exposure to a holdout this process has recorded lately."""

    def __init__(self, remembered: int = 50_000) -> None:
        self._remembered = remembered
        self._seen: dict[tuple[str, str, str], None] = {}

    def forget(self) -> None:
        """Some of these records are deleted."""
        self._seen = {}

    def has(self, project: ProjectServing, unit_id: str) -> bool:
        """True also without a holdout: there is nothing to record."""
        holdout = project.compiled.manifest.holdout
        return holdout is None or (project.project_id, _key(holdout), unit_id) in self._seen

    def add(self, exposure: Exposure) -> None:
        seen = self._seen  # another thread may forget them
        if len(seen) >= self._remembered:
            del seen[next(iter(seen))]
        seen[exposure.project_id, exposure.experiment_key, exposure.unit_id] = None


def is_holdout(experiment_key: str) -> bool:
    """Keys of experiments have no dot."""
    return experiment_key.startswith(_PREFIX)


def experiment_id_of_holdout(key: str) -> str:
    """Also what it is called as an experiment."""
    return f"{_PREFIX}{key}"


def _key(holdout: Holdout) -> str:
    return experiment_id_of_holdout(holdout.key)
