"""The keys that sign an organization's manifests and preview tokens."""

from collections.abc import Iterable

from sqlalchemy import Connection

from fairlot.engine import FairlotError
from fairlot.manifest import SigningKey
from fairlot.store.signing_keys import (
    KeyState,
    SigningKeyRow,
    add_signing_key,
    signing_keys_of,
)
from fairlot.store.vault import vault_of


class NoSigningKey(FairlotError):
    code = "no_signing_key"

    def __init__(self, org: str) -> None:
        self.org = org
        super().__init__(f"{org}: has no current signing key; restore the database from a backup")


def make_signing_key(
    connection: Connection, organization_id: str, state: KeyState, now_ms: int
) -> SigningKeyRow:
    key = SigningKey.generate()
    row = SigningKeyRow(
        kid=key.kid,
        organization_id=organization_id,
        state=state,
        public_jwk=key.public_jwk(),
        sealed_private=vault_of(connection).seal(seal_name(key.kid), key.private_bytes()),
        created_at_ms=now_ms,
    )
    add_signing_key(connection, row)
    return row


def published_keys(connection: Connection, organization_id: str) -> list[SigningKeyRow]:
    """What its JWKS holds, oldest first: whom clients may meet as the signer of a manifest."""
    return [
        key for key in signing_keys_of(connection, organization_id) if key.state != KeyState.RETIRED
    ]


def key_in_state(keys: Iterable[SigningKeyRow], state: KeyState) -> SigningKeyRow | None:
    return next((key for key in keys if key.state == state), None)


def current_key(connection: Connection, keys: Iterable[SigningKeyRow], org: str) -> SigningKey:
    """Raises NoSigningKey."""
    row = key_in_state(keys, KeyState.CURRENT)
    if row is None:
        raise NoSigningKey(org)
    private = vault_of(connection).unseal(seal_name(row.kid), row.sealed_private)
    return SigningKey.from_private_bytes(private)


def seal_name(kid: str) -> str:
    return f"signing-key:{kid}"
