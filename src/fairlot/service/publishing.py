"""Apply experiment files to a project, and publish what clients decide by."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from fairlot.engine import (
    BrokenExperiment,
    Experiment,
    FairlotError,
    Layer,
    Manifest,
    Status,
    compile_manifest,
)
from fairlot.events import new_ulid
from fairlot.manifest import (
    SigningKey,
    UnreadableExperiment,
    experiment_from_json,
    manifest_from_json,
    manifest_to_json,
    sign_manifest,
)
from fairlot.manifest.instants import write_instant
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.access import UnknownTenant
from fairlot.service.planning import Change, ChangeKind, Plan, Planner, problem_of
from fairlot.store import Store, Vault
from fairlot.store.credentials import SigningKeyRow, read_signing_keys
from fairlot.store.experiments import (
    ExperimentRow,
    ManifestRow,
    add_experiment,
    add_layer,
    add_manifest,
    experiments_of,
    layers_of,
    newest_manifest,
    replace_experiment,
)
from fairlot.store.tenants import ProjectRow, find_project, raise_generation

__all__ = [
    "ApplyResult",
    "Change",
    "ChangeKind",
    "NoSigningKey",
    "Refused",
    "apply_specs",
    "delete_experiment",
    "publish",
]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """`version` is what was published; None when clients see no change, or in a dry run."""

    changes: tuple[Change, ...]
    version: int | None


class Refused(FairlotError):
    """Nothing was applied; `problems` are all that stand in the way."""

    code = "apply_refused"

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class NoSigningKey(FairlotError):
    code = "no_signing_key"

    def __init__(self, org: str) -> None:
        self.org = org
        super().__init__(f"{org}: has no current signing key; restore the database from a backup")


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
        version = publish(connection, store.vault, tenant, now_ms, specs)
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
        publish(connection, store.vault, tenant, now_ms)


def publish(
    connection: Connection,
    vault: Vault,
    project: ProjectRow,
    now_ms: int,
    specs: Sequence[ExperimentSpec] = (),
) -> int | None:
    """Sign and store the next version, if it differs from the newest; versions start at 0.

    Raises Refused when an experiment would be broken in it that was not before.
    """
    rows = [row for row in experiments_of(connection, project.id).values() if _is_served(row)]
    newest = newest_manifest(connection, project.id)
    keys = keys_of_organization(connection, project)
    served = [_experiment_of(row) for row in rows]
    manifest = Manifest(
        project.organization_key,
        project.key,
        version=0 if newest is None else newest.version,
        published_at=write_instant(now_ms if newest is None else newest.published_at_ms),
        experiments=tuple(served),
        layers=_used_layers(served, layers_of(connection, project.id)),
        keys=tuple(key.kid for key in keys),
    )
    if newest is not None:
        if newest.revoked_at_ms is None and manifest_to_json(manifest) == newest.payload:
            return None
        manifest = replace(manifest, version=newest.version + 1, published_at=write_instant(now_ms))
    payload = manifest_to_json(manifest)
    _refuse_newly_broken(payload, newest, specs)
    key = current_key(keys, vault, project)
    add_manifest(
        connection,
        ManifestRow(
            project_id=project.id,
            version=manifest.version,
            payload=payload,
            signed=sign_manifest(payload, key),
            kid=key.kid,
            published_at_ms=now_ms,
        ),
    )
    raise_generation(connection)
    return manifest.version


def seal_name(kid: str) -> str:
    return f"signing-key:{kid}"


def _tenant(connection: Connection, org: str, project: str) -> ProjectRow:
    tenant = find_project(connection, org, project)
    if tenant is None:
        raise UnknownTenant(org, project)
    return tenant


def _name_layers(
    connection: Connection, tenant: ProjectRow, specs: Iterable[ExperimentSpec], now_ms: int
) -> dict[str, str]:
    """The salts of all layers; one that is named for the first time is made."""
    layers = layers_of(connection, tenant.id)
    for spec in specs:
        layer = spec.experiment.layer
        if layer is not None and layer.key not in layers:
            layers[layer.key] = f"layer.{layer.key}"
            new_id = f"lay_{new_ulid(now_ms)}"
            add_layer(connection, new_id, tenant.id, layer.key, layers[layer.key], now_ms)
    return layers


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
        for experiment in (_experiment_of(row),)
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


def _is_served(row: ExperimentRow) -> bool:
    if row.deleted_at_ms is not None or row.status == TargetStatus.DRAFT:
        return False
    if row.status != TargetStatus.COMPLETED:
        return True
    experiment = _experiment_of(row)
    return isinstance(experiment, Experiment) and experiment.rollout is not None


def _experiment_of(row: ExperimentRow) -> Experiment | BrokenExperiment:
    try:
        experiment = experiment_from_json(row.document)
    except UnreadableExperiment as error:
        return BrokenExperiment(row.key, str(error))
    if row.status == TargetStatus.DRAFT:
        return experiment
    return replace(experiment, status=Status(row.status))


def _used_layers(
    served: Iterable[Experiment | BrokenExperiment], salts: Mapping[str, str]
) -> tuple[Layer, ...]:
    used = {
        experiment.layer.key
        for experiment in served
        if isinstance(experiment, Experiment) and experiment.layer is not None
    }
    return tuple(Layer(key, salts[key]) for key in sorted(used))


def _refuse_newly_broken(
    payload: bytes, newest: ManifestRow | None, specs: Iterable[ExperimentSpec]
) -> None:
    """The last guard: what clients will read must compile as it did, or better."""
    broken = compile_manifest(manifest_from_json(payload)).broken
    if not broken:
        return
    known = {} if newest is None else compile_manifest(manifest_from_json(newest.payload)).broken
    by_key = {spec.experiment.key: spec for spec in specs}
    problems = defaultdict(list)
    for key, problem in broken.items():
        if key in known:
            continue
        spec = by_key.get(key)
        file, line = ("", 0) if spec is None else (spec.file, spec.line)
        problems[key].append(SpecProblem(file, line, key, "", problem))
    if problems:
        raise Refused([each for found in problems.values() for each in found])


def keys_of_organization(connection: Connection, project: ProjectRow) -> list[SigningKeyRow]:
    """All that its JWKS holds: what clients may meet as the signer of the next manifest."""
    owner = project.organization_id
    return [key for key in read_signing_keys(connection) if key.organization_id == owner]


def current_key(keys: Iterable[SigningKeyRow], vault: Vault, project: ProjectRow) -> SigningKey:
    for row in keys:
        if row.state == "current":
            return SigningKey.from_private_bytes(
                vault.unseal(seal_name(row.kid), row.sealed_private)
            )
    raise NoSigningKey(project.organization_key)
