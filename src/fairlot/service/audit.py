"""The audit log: every change on record, in a chain that shows when it was tampered with.

A record is a JSON object, and its hash the SHA-256 of its canonical form: members in order of their
names, no spaces, UTF-8 (RFC 8785, and no fractions). It holds the hash of the record before it.
`docs/reference/audit.md` has the format, and a program that checks it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection

from fairlot.manifest.instants import write_instant
from fairlot.service.actors import SYSTEM, Actor
from fairlot.store.audit import (
    AuditHead,
    AuditRow,
    add_audit_record,
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
    row = _unlinked(organization_id, actor, action, now_ms)
    row = replace(row, project=project, target=target, details=canonical(details))
    end = _usable_end(connection, organization_id)
    if end is None:
        end = (
            _begin(connection, organization_id, now_ms) if action != CREATED else ChainEnd(0, FIRST)
        )
    _append(connection, row, end)


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
    return _append(connection, _unlinked(organization_id, SYSTEM, BEGUN, now_ms), last)


def _unlinked(organization_id: str, actor: Actor, action: str, now_ms: int) -> AuditRow:
    return AuditRow(organization_id, 0, now_ms, actor.name, action, None, None, "{}", FIRST, FIRST)


def _append(connection: Connection, row: AuditRow, end: ChainEnd) -> ChainEnd:
    linked = replace(row, seq=end.seq + 1, previous=end.hash)
    new_end = ChainEnd(linked.seq, hash_of(document_of(linked)))
    add_audit_record(connection, replace(linked, hash=new_end.hash))
    content = b"%d:%b" % (new_end.seq, new_end.hash)
    sealed = vault_of(connection).seal(_seal_name(row.organization_id), content)
    head = AuditHead(new_end.seq, new_end.hash, sealed)
    write_audit_head(connection, row.organization_id, head)
    return new_end


def _seal_name(organization_id: str) -> str:
    return f"audit-head:{organization_id}"
