"""What an experiment file asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fairlot.engine import Experiment
from fairlot.manifest.nodes import MapNode


class TargetStatus(StrEnum):
    """The state that `apply` should reach."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """An experiment as written, with what manifests never carry.

    Ids in `experiment` are empty; its status is `target`, or `running` for a draft. `metrics` and
    `analysis` have the names of the fields of files. `source` is the YAML document itself, which
    starts at `line` of `file`, and `root` what was read of it. `explicit_salt` tells a written salt
    from one that defaulted to the key; `explicit_status` does so for the status.
    """

    experiment: Experiment
    target: TargetStatus
    description: str | None
    hypothesis: str | None
    owner: str | None
    tags: tuple[str, ...]
    metrics: tuple[Mapping[str, Any], ...]
    analysis: Mapping[str, Any] | None
    source: str
    file: str
    line: int
    explicit_salt: bool
    explicit_status: bool
    root: MapNode = field(compare=False, repr=False)
