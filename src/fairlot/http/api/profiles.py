"""What is known of subjects and of their accounts."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from fairlot.http.api.profile_documents import (
    AccountDocument,
    MergedProfiles,
    ProfileDocument,
    ProfileExport,
    ProfileSummary,
    SwitchedVariant,
    account_document,
    document_of,
    export_of,
    summary_of,
)
from fairlot.http.management import (
    Call,
    Outcome,
    Page,
    Paging,
    page_of,
    position_after,
    read,
    write,
)
from fairlot.http.registry import Answer
from fairlot.profiles import MAX_ATTRIBUTES_BYTES
from fairlot.service.actors import Scope
from fairlot.service.audit import record
from fairlot.service.privacy.units import units_of
from fairlot.service.profiles import accessing

_PROJECT: Final = "/api/v1/orgs/{org}/projects/{project}"
_PROFILES: Final = f"{_PROJECT}/profiles"
_ACCOUNT: Final = f"{_PROJECT}/accounts/{{id}}"
Subject = Annotated[str, msgspec.Meta(min_length=1, max_length=400)]


class Merge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`subject` is known; `other` may be, and is another name of it from now on."""

    subject: Subject
    other: Subject


class PutAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most 64 KiB of attributes; they replace those that it has."""

    attributes: dict[str, Any]


def show(call: Call[None]) -> Outcome:
    store = call.services.profiles.store
    return Outcome(document_of(*accessing.called(store, call.tenant.id, call.path["subject"])))


def show_all(call: Call[Paging]) -> Outcome:
    position = position_after(call)
    after = None if position is None else (int(position[0]), str(position[1]))
    rows = accessing.page_of_profiles(
        call.services.profiles.store, call.tenant.id, after, call.asked.limit + 1
    )
    return page_of(call, rows, accessing.position_of, summary_of)


def export(call: Call[None]) -> Outcome:
    found = accessing.recorded_of(
        call.services.profiles.store,
        call.services.events_dir,
        call.tenant.id,
        units_of(call.connection, call.tenant.id),
        call.path["subject"],
    )
    return Outcome(export_of(found))


def merge(call: Call[Merge]) -> Outcome:
    applied = accessing.merge_subjects(
        call.services.profiles,
        call.tenant.id,
        call.asked.subject,
        call.asked.other,
        call.now_ms,
    )
    profile = accessing.profile_of(call.services.profiles.store, call.tenant.id, call.asked.subject)
    switched = [each for merged in applied.merged for each in merged.switched]
    _put_on_record(call, "profile.merge", f"profile:{profile.id}", {"switched": len(switched)})
    return Outcome(
        MergedProfiles(
            profile=document_of(profile),
            merged=tuple(each.gone.subject_id for each in applied.merged),
            switched=tuple(SwitchedVariant(**each._asdict()) for each in switched),
        )
    )


def show_account(call: Call[None]) -> Outcome:
    store = call.services.profiles.store
    return Outcome(account_document(accessing.account_of(store, call.tenant.id, call.path["id"])))


def put_account(call: Call[PutAccount]) -> Outcome:
    account = accessing.put_account(
        call.services.profiles,
        call.tenant.id,
        call.path["id"],
        call.asked.attributes,
        call.now_ms,
    )
    _put_on_record(call, "account.put", None, {})
    return Outcome(account_document(account))


def _put_on_record(
    call: Call[Any], action: str, target: str | None, details: Mapping[str, int]
) -> None:
    """Without the ids of people: a record cannot be removed."""
    record(
        call.connection,
        call.organization.id,
        call.actor,
        action,
        now_ms=call.now_ms,
        project=call.tenant.key,
        target=target,
        details=details,
    )


ROUTES: Final = (
    read(
        _PROFILES,
        "List profiles, in the order of their creation",
        Scope.READ,
        show_all,
        {200: Answer("One page.", (Page[ProfileSummary],))},
        query=Paging,
    ),
    read(
        f"{_PROFILES}/{{subject}}",
        "Show what is known of a subject, by any of its names",
        Scope.READ,
        show,
        {200: Answer("The profile.", (ProfileDocument,))},
    ),
    read(
        f"{_PROFILES}/{{subject}}/export",
        "Show all that is recorded of a subject, by any of its names",
        Scope.ADMIN,
        export,
        {200: Answer("All of it.", (ProfileExport,))},
    ),
    write(
        "POST",
        f"{_PROFILES}/merge",
        "Say that two ids are one subject; the older profile stays",
        Scope.WRITE,
        merge,
        {200: Answer("The profile that stays.", (MergedProfiles,))},
        request=Merge,
    ),
    read(
        _ACCOUNT,
        "Show what is known of an account",
        Scope.READ,
        show_account,
        {200: Answer("The account.", (AccountDocument,))},
    ),
    write(
        "PUT",
        _ACCOUNT,
        "Replace the attributes of an account, which is made if it is new",
        Scope.WRITE,
        put_account,
        {200: Answer("The account.", (AccountDocument,))},
        request=PutAccount,
        body_limit=2 * MAX_ATTRIBUTES_BYTES,
    ),
)
