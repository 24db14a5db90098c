"""Whether an audit log is as it was written: every record recomputed, and the sealed end."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from fairlot.service.audit import FIRST, ChainEnd, document_of, hash_of, unseal_end
from fairlot.store.audit import AuditRow, read_audit_head, stored_audit_records
from fairlot.store.vault import SealBroken, vault_of

# What reading a row raises whose columns hold what no record ever held.
_NEVER_A_RECORD: Final = (
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class AuditFault(StrEnum):
    """What is wrong with an audit log."""

    EMPTY = "empty"
    ALTERED = "altered"
    MISSING = "missing"
    UNLINKED = "unlinked"
    CUT = "cut"
    ADDED = "added"
    REWRITTEN = "rewritten"
    HEAD_LOST = "head_lost"
    HEAD_ALTERED = "head_altered"
    NOT_AS_NOTED = "not_as_noted"


_WORDS: Final = {
    AuditFault.EMPTY: "there is no record, though every organization has some: all were removed",
    AuditFault.ALTERED: "its content does not have its hash: it was changed",
    AuditFault.MISSING: "it is not there: it was removed",
    AuditFault.UNLINKED: "it does not follow the record before it: one of the two was written anew",
    AuditFault.CUT: "it is not there, and none after it: the end of the log was cut off",
    AuditFault.ADDED: "it was added by somebody who could not move the sealed end of the log",
    AuditFault.REWRITTEN: "it is not the record that the sealed end names: it was written anew",
    AuditFault.HEAD_LOST: "the sealed end of the log was removed",
    AuditFault.HEAD_ALTERED: "the sealed end of the log was changed",
    AuditFault.NOT_AS_NOTED: "it has not the hash that you noted: it was written anew",
}


@dataclass(frozen=True, slots=True)
class AuditBreak:
    """`seq` is the first record that is not as it was written; of the head, the last one."""

    seq: int
    fault: AuditFault

    @property
    def text(self) -> str:
        return _WORDS[self.fault]


@dataclass(frozen=True, slots=True)
class Verification:
    """The records up to `end` are as they were written; `begins_with` is the action of the first.
    `broken` is what is wrong with the one after it, or with the log as a whole."""

    end: ChainEnd
    begins_with: str | None
    broken: AuditBreak | None


def verify_audit(
    connection: Connection, organization_id: str, noted: ChainEnd | None = None
) -> Verification:
    """Recompute the whole log, and stop at the first record that is not as it was written.

    `noted` is a number and a hash that were written down elsewhere: they alone show that the whole
    database was put back to an earlier state.
    """
    end, begins_with = ChainEnd(0, FIRST), None
    for row in stored_audit_records(connection, organization_id):
        broken = _break_at(row, end, noted)
        if row is None or broken is not None:
            return Verification(end, begins_with, broken)
        begins_with = begins_with or row.action
        end = ChainEnd(row.seq, row.hash)
    return Verification(end, begins_with, _break_after(connection, organization_id, end, noted))


def _break_at(row: AuditRow | None, before: ChainEnd, noted: ChainEnd | None) -> AuditBreak | None:
    expected = before.seq + 1
    if row is None:
        return AuditBreak(expected, AuditFault.ALTERED)
    try:
        is_whole = hash_of(document_of(row)) == row.hash
    except _NEVER_A_RECORD:
        is_whole = False
    if not is_whole:
        seq = row.seq if isinstance(row.seq, int) else expected
        return AuditBreak(min(seq, expected), AuditFault.ALTERED)
    if row.seq > expected:
        return AuditBreak(expected, AuditFault.MISSING)
    if row.seq < expected or row.previous != before.hash:
        return AuditBreak(row.seq, AuditFault.UNLINKED)
    if noted is not None and noted.seq == row.seq and noted.hash != row.hash:
        return AuditBreak(row.seq, AuditFault.NOT_AS_NOTED)
    return None


def _break_after(
    connection: Connection, organization_id: str, end: ChainEnd, noted: ChainEnd | None
) -> AuditBreak | None:
    head = read_audit_head(connection, organization_id)
    if head is None:
        return AuditBreak(end.seq, AuditFault.HEAD_LOST if end.seq else AuditFault.EMPTY)
    try:
        sealed = unseal_end(vault_of(connection), organization_id, head)
    except SealBroken:
        return AuditBreak(end.seq, AuditFault.HEAD_ALTERED)
    if sealed.seq > end.seq:
        return AuditBreak(end.seq + 1, AuditFault.CUT)
    if sealed.seq < end.seq:
        return AuditBreak(sealed.seq + 1, AuditFault.ADDED)
    if sealed != end:
        return AuditBreak(end.seq, AuditFault.REWRITTEN)
    if (head.seq, head.hash) != (sealed.seq, sealed.hash):
        return AuditBreak(end.seq, AuditFault.HEAD_ALTERED)
    if noted is not None and noted.seq > end.seq:
        return AuditBreak(end.seq + 1, AuditFault.CUT)
    return None
