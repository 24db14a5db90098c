"""What of the stored experiments a manifest holds."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from fairlot.engine import BrokenExperiment, Experiment, Layer, Status
from fairlot.manifest import UnreadableExperiment, experiment_from_json
from fairlot.manifest.spec import TargetStatus
from fairlot.store.experiments import ExperimentRow


def is_served(row: ExperimentRow) -> bool:
    if row.deleted_at_ms is not None or row.status == TargetStatus.DRAFT:
        return False
    if row.status != TargetStatus.COMPLETED:
        return True
    experiment = experiment_of(row)
    return isinstance(experiment, Experiment) and experiment.rollout is not None


def experiment_of(row: ExperimentRow) -> Experiment | BrokenExperiment:
    try:
        experiment = experiment_from_json(row.document)
    except UnreadableExperiment as error:
        return BrokenExperiment(row.key, str(error))
    if row.status == TargetStatus.DRAFT:
        return experiment
    return replace(experiment, status=Status(row.status))


def used_layers(
    served: Iterable[Experiment | BrokenExperiment], salts: Mapping[str, str]
) -> tuple[Layer, ...]:
    used = {
        experiment.layer.key
        for experiment in served
        if isinstance(experiment, Experiment) and experiment.layer is not None
    }
    return tuple(Layer(key, salts[key]) for key in sorted(used))
