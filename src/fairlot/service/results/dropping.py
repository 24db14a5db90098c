"""Looks that were taken of incomplete data are dropped, so that they are taken anew."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.service.actors import SYSTEM, Actor, Scope
from fairlot.service.audit import record
from fairlot.service.missing import not_there
from fairlot.service.refusals import MissingScope, ReasonMissing
from fairlot.service.results.fixed import (
    DroppedLook,
    Dropping,
    KeptLook,
    decode_analysis,
    stored_looks,
)
from fairlot.stats.analysis import LookName
from fairlot.store.analyses import delete_looks, read_analysis, replace_analysis
from fairlot.store.experiments import find_experiment
from fairlot.store.revisions import EXPERIMENT
from fairlot.store.tenants import ProjectRow

_ACTION: Final = "drop-looks"


class NothingToDrop(FairlotError):
    code = "nothing_to_drop"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(
            f"{key}: no looks and no caps of it are stored; a result stores looks of whole days, in"
            " the project's time zone, once the windows of all who were exposed on them are over:"
            " ask for it after that"
        )


def drop_looks(
    connection: Connection,
    tenant: ProjectRow,
    key: str,
    reason: str,
    *,
    actor: Actor,
    now_ms: int,
) -> Dropping:
    """And the caps that were found with them. The plan, what is primary and what metrics meant
    stay, and each later result says that looks were dropped.

    Raises MissingScope, NotThere, ReasonMissing or NothingToDrop.
    """
    if actor != SYSTEM and Scope.WRITE not in actor.scopes:
        raise MissingScope(_ACTION, Scope.WRITE)
    row = find_experiment(connection, tenant.id, key)
    if row is None or row.deleted_at_ms is not None:
        raise not_there(connection, tenant, EXPERIMENT, key)
    if not reason.strip():
        raise ReasonMissing(key, _ACTION)
    document = read_analysis(connection, row.id, to_change=True)
    if document is None:
        raise NothingToDrop(key)
    found, looks = decode_analysis(document), stored_looks(connection, row.id)
    if not looks and not found.caps:
        raise NothingToDrop(key)
    dropping = Dropping(
        at_ms=now_ms,
        by=actor.name,
        reason=reason,
        looks=sum(map(len, looks.values())),
        newest=tuple(_newest(looks)),
        caps=found.caps,
    )
    following = msgspec.structs.replace(found, caps={}, dropped=(*found.dropped, dropping))
    replace_analysis(connection, row.id, msgspec.json.encode(following))
    delete_looks(connection, row.id)
    record(
        connection,
        tenant.organization_id,
        actor,
        "looks.drop",
        now_ms=now_ms,
        project=tenant.key,
        target=f"{EXPERIMENT}:{key}",
        details={"reason": reason, "looks": dropping.looks, "caps": sorted(found.caps)},
    )
    return dropping


def _newest(looks: Mapping[LookName, Sequence[KeptLook]]) -> Iterator[DroppedLook]:
    for (metric, variant), taken in looks.items():
        last = taken[-1]
        yield DroppedLook(
            metric=metric,
            variant=variant,
            day=last.day,
            n=last.n,
            definition=last.definition,
            taken_at_ms=last.taken_at_ms,
        )
