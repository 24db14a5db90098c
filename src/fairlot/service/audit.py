"""The audit log: every change on record, in a chain that shows when it was tampered with.

A record is a JSON object, and its hash the SHA-256 of its canonical form: members in order of their
names, no spaces, UTF-8 (RFC 8785, and no fractions). It holds the hash of the record before it.
`docs/reference/audit.md` has the format, and a program that checks it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from fairlot.manifest.instants import write_instant
from fairlot.service.actors import SYSTEM, Actor
from fairlot.store.audit import (
    AuditHead,
    AuditRow,
    add_audit_records,
    last_audit_seq,
    read_audit_head,
    write_audit_head,
)
from fairlot.store.vault import SealBroken, Vault, vault_of

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

CREATED: Final = "organization.create"
"""The first action on record of an organization that was made since there is an audit log."""
BEGUN: Final = "audit.begin"
"""That of an older one, and of a chain whose end was lost."""
FIRST: Final = bytes(32)
"""What the first record has in place of the hash of the one before it."""
_NOTHING: Final[Mapping[str, Json]] = {}


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The number and the hash of the last record."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What one record says, beside who did it and when."""

    action: str
    target: str | None = None
    details: Mapping[str, Json] = field(default_factory=dict)


def record(
    connection: Connection,
    organization_id: str,
    actor: Actor,
    action: str,
    *,
    now_ms: int,
    project: str | None = None,
    target: str | None = None,
    details: Mapping[str, Json] = _NOTHING,
) -> None:
    """Append to the organization's chain, in the caller's write transaction.

    `action` is `<noun>.<verb>`, `project` its key, `target` as in `experiment:welcome`. `details`
    hold no secret, no token and nothing of a subject: a record can not be removed.
    """
    entry = AuditEntry(action, target, details)
    record_all(connection, organization_id, actor, [entry], now_ms=now_ms, project=project)


def record_all(
    connection: Connection,
    organization_id: str,
    actor: Actor,
    entries: Sequence[AuditEntry],
    *,
    now_ms: int,
    project: str | None = None,
) -> None:
    """As `record`, of many at once, which takes as many statements as of one."""
    if not entries:
        return
    rows = [
        replace(
            _unlinked(organization_id, actor, entry.action, now_ms),
            project=project,
            target=entry.target,
            details=canonical(entry.details),
        )
        for entry in entries
    ]
    end = _usable_end(connection, organization_id)
    if end is None:
        is_first = rows[0].action == CREATED
        end = ChainEnd(0, FIRST) if is_first else _begin(connection, organization_id, now_ms)
    _append(connection, rows, end)


def begin_audit(connection: Connection, organization_id: str, *, now_ms: int) -> None:
    """Begin the chain of an organization that is older than the audit log."""
    if _usable_end(connection, organization_id) is None:
        _begin(connection, organization_id, now_ms)


def document_of(row: AuditRow) -> dict[str, Any]:
    """A record as it is hashed. With its `hash` added it is what is listed and exported.

    Raises ValueError, TypeError, AttributeError or OverflowError when the row was never a record.
    """
    details = json.loads(row.details)
    if canonical(details) != row.details:
        raise ValueError("the details are not in canonical form")
    return {
        "action": row.action,
        "actor": row.actor,
        "at": write_instant(row.at_ms),
        "details": details,
        "organization": row.organization_id,
        "previous": row.previous.hex(),
        "project": row.project,
        "seq": row.seq,
        "target": row.target,
    }


def canonical(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_of(document: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical(document).encode()).digest()


def unseal_end(vault: Vault, organization_id: str, head: AuditHead) -> ChainEnd:
    """Where the chain ended when it was last added to. Raises SealBroken."""
    seq, _, digest = vault.unseal(_seal_name(organization_id), head.sealed).partition(b":")
    return ChainEnd(int(seq), digest)


def _usable_end(connection: Connection, organization_id: str) -> ChainEnd | None:
    """Where to go on; None when there is no chain, or nobody knows any more where it ended.

    Only the seal is believed: whoever cuts the chain and writes a matching head without it is found
    out, because the next record still has the number after those that were cut.
    """
    head = read_audit_head(connection, organization_id)
    if head is None:
        return None
    try:
        end = unseal_end(vault_of(connection), organization_id, head)
    except SealBroken:
        return None
    return None if last_audit_seq(connection, organization_id) > end.seq else end


def _begin(connection: Connection, organization_id: str, now_ms: int) -> ChainEnd:
    """Anew, if need be, after whatever is there: it then shows as a chain that is broken here."""
    last = ChainEnd(last_audit_seq(connection, organization_id), FIRST)
    return _append(connection, [_unlinked(organization_id, SYSTEM, BEGUN, now_ms)], last)


def _unlinked(organization_id: str, actor: Actor, action: str, now_ms: int) -> AuditRow:
    return AuditRow(organization_id, 0, now_ms, actor.name, action, None, None, "{}", FIRST, FIRST)


def _append(connection: Connection, rows: Sequence[AuditRow], end: ChainEnd) -> ChainEnd:
    linked = []
    for row in rows:
        following = replace(row, seq=end.seq + 1, previous=end.hash)
        end = ChainEnd(following.seq, hash_of(document_of(following)))
        linked.append(replace(following, hash=end.hash))
    add_audit_records(connection, linked)
    organization_id = rows[0].organization_id
    content = b"%d:%b" % (end.seq, end.hash)
    sealed = vault_of(connection).seal(_seal_name(organization_id), content)
    write_audit_head(connection, organization_id, AuditHead(end.seq, end.hash, sealed))
    return end


def _seal_name(organization_id: str) -> str:
    return f"audit-head:{organization_id}"
