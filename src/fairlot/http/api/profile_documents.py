"""Profiles and accounts as the control plane answers them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from fairlot.events import Assignment
from fairlot.events.records import event_columns
from fairlot.http.management.instants import written
from fairlot.profiles import Account, Happening, Identifier, IdentifierKind, Profile
from fairlot.service.profiles.accessing import Recorded


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class ProfileIdentifier(_Document, frozen=True, kw_only=True):
    """`source` is there for the kind `source` alone: whose anonymous id it is."""

    kind: IdentifierKind
    value: str
    source: str | None = None


class ProfileSummary(_Document, frozen=True, kw_only=True):
    """`subjectId` is what it is drawn by."""

    id: str
    subject_id: str
    user_id: str | None
    account_id: str | None
    created_at: str
    last_seen_at: str


class ProfileDocument(ProfileSummary, frozen=True, kw_only=True):
    """Activations, displays and assignments are by experiment id, consents by category; instants
    in them are in milliseconds. `others` are the subject ids of other profiles that answer to the
    name by which this one was asked for."""

    identified_at: str | None
    identifiers: tuple[ProfileIdentifier, ...]
    attributes: Mapping[str, Any]
    sessions: Mapping[str, Any]
    properties: Mapping[str, Any]
    activations: Mapping[str, Any]
    displays: Mapping[str, Any]
    assignments: Mapping[str, Any]
    consents: Mapping[str, Any]
    viewed: tuple[Mapping[str, Any], ...]
    others: tuple[str, ...]


class AccountDocument(_Document, frozen=True, kw_only=True):
    id: str
    attributes: Mapping[str, Any]
    created_at: str
    updated_at: str


class ProfileEvent(_Document, frozen=True, kw_only=True):
    """What the subject did, as rules see it."""

    id: str
    name: str
    at: str
    properties: Mapping[str, Any]


class StoredAssignment(_Document, frozen=True, kw_only=True):
    """A variant that the event log remembers of the unit, and by which manifest it was given."""

    experiment_id: str
    experiment_key: str
    unit_id: str
    variant_key: str
    manifest_version: int
    assigned_at: str


class ProfileExport(_Document, frozen=True, kw_only=True):
    """`profile` is null of who was only ever given variants. `history` is what the profile holds,
    `events` what the event log does: exposures, conversions and identities, under all ids of the
    subject. `assignments` are those of the event log; the profile has those of Choose."""

    profile: ProfileDocument | None
    account: AccountDocument | None
    history: tuple[ProfileEvent, ...]
    events: tuple[Mapping[str, Any], ...]
    assignments: tuple[StoredAssignment, ...]


class SwitchedVariant(_Document, frozen=True, kw_only=True):
    """null is the control share of a personalization."""

    experiment_id: str
    experiment_key: str
    from_variant: str | None
    to_variant: str | None


class MergedProfiles(_Document, frozen=True, kw_only=True):
    """`merged` are the subject ids of the profiles that are no more, `switched` the experiments in
    which they had another variant."""

    profile: ProfileDocument
    merged: tuple[str, ...]
    switched: tuple[SwitchedVariant, ...]


def summary_of(profile: Profile) -> ProfileSummary:
    return ProfileSummary(**_summary(profile))


def document_of(profile: Profile, others: tuple[str, ...] = ()) -> ProfileDocument:
    return ProfileDocument(
        **_summary(profile),
        identified_at=written(profile.identified_at_ms),
        identifiers=tuple(map(_identifier, profile.identifiers)),
        attributes=profile.attributes,
        sessions=_plain(profile.sessions),
        properties=_plain(profile.properties),
        activations=_plain(profile.activations),
        displays=_plain(profile.displays),
        assignments=_plain(profile.assignments),
        consents=_plain(profile.consents),
        viewed=tuple({"productId": each.product_id, "atMs": each.at_ms} for each in profile.viewed),
        others=others,
    )


def account_document(account: Account) -> AccountDocument:
    return AccountDocument(
        id=account.account_id,
        attributes=account.attributes,
        created_at=written(account.created_at_ms),
        updated_at=written(account.updated_at_ms),
    )


def export_of(recorded: Recorded) -> ProfileExport:
    account = recorded.account
    return ProfileExport(
        profile=None if recorded.called is None else document_of(*recorded.called),
        account=None if account is None else account_document(account),
        history=tuple(map(_event, recorded.happenings)),
        events=tuple(
            {"kind": type(each).__name__.lower(), **_present(event_columns(each))}
            for each in recorded.events
        ),
        assignments=tuple(map(_assignment, recorded.assignments)),
    )


def _summary(profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "subject_id": profile.subject_id,
        "user_id": profile.user_id,
        "account_id": profile.account_id,
        "created_at": written(profile.created_at_ms),
        "last_seen_at": written(profile.last_seen_at_ms),
    }


def _identifier(identifier: Identifier) -> ProfileIdentifier:
    if identifier.kind is not IdentifierKind.SOURCE:
        return ProfileIdentifier(kind=identifier.kind, value=identifier.value)
    source, value = msgspec.json.decode(identifier.value, type=tuple[str, str])
    return ProfileIdentifier(kind=identifier.kind, value=value, source=source)


def _event(happening: Happening) -> ProfileEvent:
    return ProfileEvent(
        id=happening.event_id,
        name=happening.name,
        at=written(happening.at_ms),
        properties=happening.properties,
    )


def _assignment(assignment: Assignment) -> StoredAssignment:
    return StoredAssignment(
        experiment_id=assignment.experiment_id,
        experiment_key=assignment.experiment_key,
        unit_id=assignment.unit_id,
        variant_key=assignment.variant_key,
        manifest_version=assignment.manifest_version,
        assigned_at=written(assignment.assigned_at_ms),
    )


def _plain(records: Any) -> Any:
    """As it is kept: without what has its default."""
    return msgspec.to_builtins(records)


def _present(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}
