"""The audit log of an organization."""

from typing import Annotated, Any, Final, Literal

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of, position_after, read
from fairlot.http.misfits import ALLOWED
from fairlot.http.registry import Answer
from fairlot.http.texts import Name
from fairlot.service.actors import Scope
from fairlot.service.audit import ChainEnd, document_of
from fairlot.service.audit_verification import AuditFault, verify_audit
from fairlot.store.audit import AuditFilter, AuditRow, read_audit_records
from fairlot.store.tenants import projects_of

_PATH: Final = "/api/v1/orgs/{org}/audit"
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class AuditQuery(Paging, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """All that is given has to hold."""

    order: Annotated[
        Literal["newest", "oldest"], msgspec.Meta(description="Which comes first.")
    ] = "newest"
    project: Name | None = None
    actor: Name | None = None
    action: Name | None = None
    target: Name | None = None


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` is the SHA-256 of the canonical JSON of all the others; `previous` that of the record
    before."""

    action: str
    actor: str
    at: str
    details: dict[str, Any]
    hash: _Sha256
    organization: str
    previous: _Sha256
    project: str | None
    seq: int
    target: str | None


class VerifyQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    noted: (
        Annotated[
            str,
            msgspec.Meta(
                pattern="^[1-9][0-9]{0,15}:[0-9a-f]{64}$",
                extra={ALLOWED: "of the number, a colon and the 64 hexadecimal digits of the hash"},
                description="Number and hash of a record, as they were noted down elsewhere.",
            ),
        ]
        | None
    ) = None


class AuditEnd(msgspec.Struct, frozen=True):
    """The last record that is as it was written; `seq` 0 before the first."""

    seq: int
    hash: _Sha256


class AuditDamage(msgspec.Struct, frozen=True):
    """The first record that is not as it was written."""

    seq: int
    fault: AuditFault
    text: str


class AuditVerification(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`beginsWith` is the action of the first record: `organization.create`, or `audit.begin` for
    an organization that is older than its audit log."""

    intact: bool
    end: AuditEnd
    begins_with: str | None
    broken: AuditDamage | None


def list_records(call: Call[AuditQuery]) -> Outcome:
    asked, after = call.asked, position_after(call)
    limits: dict[str, int] = {}
    if after is not None:
        limits["before" if asked.order == "newest" else "after"] = int(after[0])
    elif asked.order == "oldest":
        limits["after"] = 0
    rows = read_audit_records(
        call.connection, call.organization.id, limit=asked.limit + 1, only=_filter(call), **limits
    )
    return page_of(call, rows, lambda row: (row.seq,), _document)


def verify(call: Call[VerifyQuery]) -> Outcome:
    seq, _, digest = (call.asked.noted or "").partition(":")
    noted = ChainEnd(int(seq), bytes.fromhex(digest)) if seq else None
    found = verify_audit(call.connection, call.organization.id, noted)
    broken = found.broken
    return Outcome(
        AuditVerification(
            intact=broken is None,
            end=AuditEnd(found.end.seq, found.end.hash.hex()),
            begins_with=found.begins_with,
            broken=None if broken is None else AuditDamage(broken.seq, broken.fault, broken.text),
        )
    )


def _filter(call: Call[AuditQuery]) -> AuditFilter:
    """A key that is limited to some projects sees what was done in these."""
    asked = call.asked
    projects = None if asked.project is None else frozenset({asked.project})
    if call.caller.is_limited:
        tenants = projects_of(call.connection, call.organization.id)
        own = frozenset(each.key for each in tenants if call.caller.reaches(each.id))
        projects = own if projects is None else own & projects
    return AuditFilter(projects, asked.actor, asked.action, asked.target)


def _document(row: AuditRow) -> AuditRecord:
    return AuditRecord(**document_of(row), hash=row.hash.hex())


ROUTES: Final = (
    read(
        _PATH,
        "List what was changed, by whom and when",
        Scope.ADMIN,
        list_records,
        {200: Answer("One page.", (Page[AuditRecord],))},
        query=AuditQuery,
        whole=False,
    ),
    read(
        _PATH + "/verify",
        "Recompute the whole audit log, and tell whether it is as it was written",
        Scope.ADMIN,
        verify,
        {200: Answer("Whether it is.", (AuditVerification,))},
        query=VerifyQuery,
    ),
)
