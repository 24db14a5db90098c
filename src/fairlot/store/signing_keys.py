"""The keys that sign manifests, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, select, update

from fairlot.store.tables import signing_keys


class KeyState(StrEnum):
    """What a signing key is for. One is `CURRENT`; `NEXT` is to follow it, `RETIRING` came before
    it and is still believed, `RETIRED` is believed no more."""

    NEXT = "next"
    CURRENT = "current"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """`announced_at_ms` is when the manifests of all projects first listed it, `state_at_ms` when
    its state last changed. `sealed_private` of a retired one is empty."""

    kid: str
    organization_id: str
    state: str
    public_jwk: Mapping[str, Any]
    sealed_private: bytes
    created_at_ms: int
    announced_at_ms: int | None = None
    state_at_ms: int | None = None


def add_signing_key(connection: Connection, key: SigningKeyRow) -> None:
    connection.execute(signing_keys.insert().values(_values(key)))


def replace_signing_key(connection: Connection, key: SigningKeyRow) -> None:
    connection.execute(
        update(signing_keys).where(signing_keys.c.kid == key.kid).values(_values(key))
    )


def signing_keys_of(connection: Connection, organization_id: str) -> list[SigningKeyRow]:
    """Oldest first, retired ones too."""
    own = signing_keys.c.organization_id == organization_id
    found = connection.execute(_oldest_first().where(own)).mappings()
    return [SigningKeyRow(**row) for row in found]


def read_signing_keys(connection: Connection) -> list[SigningKeyRow]:
    """Of all organizations, oldest first, retired ones too."""
    return [SigningKeyRow(**row) for row in connection.execute(_oldest_first()).mappings()]


def _oldest_first() -> Select[Any]:
    return select(signing_keys).order_by(signing_keys.c.created_at_ms, signing_keys.c.kid)


def _values(key: SigningKeyRow) -> dict[str, Any]:
    values = {field.name: getattr(key, field.name) for field in fields(key)}
    return {**values, "public_jwk": dict(key.public_jwk)}
