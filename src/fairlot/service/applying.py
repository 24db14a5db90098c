"""Apply experiment files to a project: all of them or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy import Connection

from fairlot.engine import Experiment, FairlotError
from fairlot.events import new_ulid
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.access import UnknownTenant
from fairlot.service.actors import SYSTEM
from fairlot.service.assembly import experiment_of
from fairlot.service.planning import Change, ChangeKind, Plan, Planner, problem_of
from fairlot.service.publishing import publish
from fairlot.service.refusals import Refused
from fairlot.store import Store
from fairlot.store.definitions import DefinitionRow, add_definitions, layer_salts
from fairlot.store.experiments import (
    ExperimentRow,
    add_experiment,
    experiments_of,
    replace_experiment,
)
from fairlot.store.tenants import ProjectRow, find_project


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """`version` is what was published; None when clients see no change, or in a dry run."""

    changes: tuple[Change, ...]
    version: int | None


class NotDeletable(FairlotError):
    """An experiment that is not there, or that still runs."""

    code = "not_deletable"

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")


def apply_specs(
    store: Store,
    org: str,
    project: str,
    specs: Sequence[ExperimentSpec],
    *,
    now_ms: int,
    dry_run: bool = False,
) -> ApplyResult:
    """Bring the project's experiments to what the specs say, all of them or none.

    Experiments that no spec names are left as they are. Raises Refused with every problem.
    """
    with store.writing(keep=not dry_run) as connection:
        tenant = _tenant(connection, org, project)
        stored = experiments_of(connection, tenant.id)
        layers = _name_layers(connection, tenant, specs, now_ms)
        planner = Planner(tenant.id, layers, now_ms, lambda prefix: f"{prefix}_{new_ulid(now_ms)}")
        plans = _plan_all(planner, specs, stored)
        for plan in plans:
            _save(connection, plan)
        changes = tuple(plan.change for plan in plans)
        version = publish(connection, tenant, SYSTEM, now_ms=now_ms, specs=specs)
    return ApplyResult(changes, None if dry_run else version)


def delete_experiment(store: Store, org: str, project: str, key: str, *, now_ms: int) -> None:
    """Only a draft or a completed one; its key is never used again."""
    with store.writing() as connection:
        tenant = _tenant(connection, org, project)
        row = experiments_of(connection, tenant.id).get(key)
        if row is None or row.deleted_at_ms is not None:
            raise NotDeletable(key, "there is no such experiment; check the spelling")
        if row.status not in (TargetStatus.DRAFT, TargetStatus.COMPLETED):
            raise NotDeletable(key, f"it is {row.status}; complete it first")
        replace_experiment(connection, replace(row, deleted_at_ms=now_ms))
        publish(connection, tenant, SYSTEM, now_ms=now_ms)


def _tenant(connection: Connection, org: str, project: str) -> ProjectRow:
    tenant = find_project(connection, org, project)
    if tenant is None:
        raise UnknownTenant(org, project)
    return tenant


def _name_layers(
    connection: Connection, tenant: ProjectRow, specs: Iterable[ExperimentSpec], now_ms: int
) -> dict[str, str]:
    """The salts of all layers; one that is named for the first time is made."""
    layers = layer_salts(connection, tenant.id)
    for spec in specs:
        layer = spec.experiment.layer
        if layer is not None and layer.key not in layers:
            layers[layer.key] = f"layer.{layer.key}"
            add_definitions(connection, [_new_layer(tenant, layer.key, layers[layer.key], now_ms)])
    return layers


def _new_layer(tenant: ProjectRow, key: str, salt: str, now_ms: int) -> DefinitionRow:
    return DefinitionRow(
        id=f"lay_{new_ulid(now_ms)}",
        project_id=tenant.id,
        kind="layer",
        key=key,
        salt=salt,
        document=msgspec.json.encode({"kind": "layer", "key": key}),
        source="",
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def _plan_all(
    planner: Planner, specs: Sequence[ExperimentSpec], stored: Mapping[str, ExperimentRow]
) -> list[Plan]:
    plans: dict[str, Plan] = {}
    problems: list[SpecProblem] = []
    for spec in specs:
        key = spec.experiment.key
        if key in plans:
            first = plans[key].spec
            fix = f"is also in {first.file}:{first.line}: write each key once"
            problems.append(problem_of(spec, "key", key, fix))
            continue
        plan, found = planner.plan(spec, stored.get(key))
        problems += found
        if plan is not None:
            plans[key] = plan
    others = [row for key, row in stored.items() if key not in plans]
    problems += _overlaps(plans, others)
    if problems:
        raise Refused(problems)
    return list(plans.values())


def _overlaps(plans: Mapping[str, Plan], others: Iterable[ExperimentRow]) -> list[SpecProblem]:
    """Running experiments that would share buckets of a layer, told at the later spec."""
    running = [
        experiment
        for row in others
        if row.status == TargetStatus.RUNNING and row.deleted_at_ms is None
        for experiment in (experiment_of(row),)
        if isinstance(experiment, Experiment)
    ]
    problems = []
    for plan in plans.values():
        if plan.spec.target is not TargetStatus.RUNNING:
            continue
        mine = plan.experiment.layer
        for other in running:
            theirs = other.layer
            if mine is None or theirs is None or mine.key != theirs.key:
                continue
            if mine.start < theirs.end and theirs.start < mine.end:
                value = f"{mine.start}-{mine.end}"
                fix = (
                    f"{plan.experiment.key} would share buckets of layer {mine.key} with"
                    f" {other.key}, which runs in {theirs.start}-{theirs.end}: choose buckets that"
                    " are free, or pause one of the two"
                )
                problems.append(problem_of(plan.spec, "layer", value, fix))
        running.append(plan.experiment)
    return problems


def _save(connection: Connection, plan: Plan) -> None:
    if plan.change.kind is ChangeKind.CREATED:
        add_experiment(connection, plan.row)
    elif plan.change.kind is not ChangeKind.UNCHANGED:
        replace_experiment(connection, plan.row)
