"""The keys that sign an organization's manifests."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.key_rotation import (
    DEFAULT_WAIT_S,
    KeyChange,
    announce_key,
    retire_keys,
    rotate_keys,
)
from fairlot.store.signing_keys import KeyState, SigningKeyRow, signing_keys_of

_PATH: Final = "/api/v1/orgs/{org}/signing-keys"
_HOUR_S: Final = 3600
_Hours = Annotated[int, msgspec.Meta(ge=0, le=24 * 90)]


class RetireKeys(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """`waitHours` is how long a key must have been announced, or out of use; `force` does not
    wait."""

    wait_hours: _Hours = DEFAULT_WAIT_S // _HOUR_S
    force: bool = False


class RotateKeys(RetireKeys, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`to` is the id of the key that is to sign; when it does already, nothing is changed."""

    to: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None


class SigningKeyDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`announcedAt` is since when manifests list it, `stateAt` when its state last changed."""

    kid: str
    state: KeyState
    created_at: str
    announced_at: str | None
    state_at: str | None


class KeyChangeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`versions` are the manifests that were published for it, by project. `changed` false: all was
    as asked for before."""

    changed: bool
    keys: Sequence[SigningKeyDocument]
    versions: Mapping[str, int]
    warnings: Sequence[str]


def list_keys(call: Call[Paging]) -> Outcome:
    rows = signing_keys_of(call.connection, call.organization.id)
    return page_of_all(call, rows, lambda row: (row.created_at_ms, row.kid), _document)


def announce(call: Call[None]) -> Outcome:
    return _outcome(
        announce_key(call.connection, call.organization, call.actor, now_ms=call.now_ms)
    )


def rotate(call: Call[RotateKeys]) -> Outcome:
    asked = call.asked
    return _outcome(
        rotate_keys(
            call.connection,
            call.organization,
            call.actor,
            now_ms=call.now_ms,
            to=asked.to,
            wait_s=asked.wait_hours * _HOUR_S,
            force=asked.force,
        )
    )


def retire(call: Call[RetireKeys]) -> Outcome:
    return _outcome(
        retire_keys(
            call.connection,
            call.organization,
            call.actor,
            now_ms=call.now_ms,
            wait_s=call.asked.wait_hours * _HOUR_S,
            force=call.asked.force,
        )
    )


def _outcome(change: KeyChange) -> Outcome:
    keys = tuple(map(_document, change.keys))
    return Outcome(
        KeyChangeDocument(
            changed=change.changed, keys=keys, versions=change.versions, warnings=change.warnings
        )
    )


def _document(key: SigningKeyRow) -> SigningKeyDocument:
    return SigningKeyDocument(
        kid=key.kid,
        state=KeyState(key.state),
        created_at=written(key.created_at_ms),
        announced_at=written(key.announced_at_ms),
        state_at=written(key.state_at_ms),
    )


_CHANGED: Final = {200: Answer("The keys, as they are now.", (KeyChangeDocument,))}
ROUTES: Final = (
    read(
        _PATH,
        "List the signing keys of an organization, retired ones too, oldest first",
        Scope.ADMIN,
        list_keys,
        {200: Answer("One page.", (Page[SigningKeyDocument],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH + "/announce",
        "Make the next signing key, and have all manifests list it",
        Scope.ADMIN,
        announce,
        _CHANGED,
    ),
    write(
        "POST",
        _PATH + "/rotate",
        "Sign by the next key from now on, and announce another",
        Scope.ADMIN,
        rotate,
        _CHANGED,
        request=RotateKeys,
        errors=(409,),
    ),
    write(
        "POST",
        _PATH + "/retire",
        "Believe the former signing keys no more, and destroy their private parts",
        Scope.ADMIN,
        retire,
        _CHANGED,
        request=RetireKeys,
        errors=(409,),
    ),
)
