"""The vault of a store: which secret it takes, and whether that is the right one."""

from pathlib import Path

from sqlalchemy import Connection, select

from fairlot.store.errors import Place, WrongSecret
from fairlot.store.tables import vault_check
from fairlot.store.vault import (
    KEY_FILE,
    LEAST_SECRET_LENGTH,
    SealBroken,
    Vault,
    create_key_file,
    read_key_file,
)

_CHECK = "vault-check"


def check_length(place: Place, secret: str | None) -> None:
    """Raises WrongSecret."""
    if secret is not None and len(secret) < LEAST_SECRET_LENGTH:
        raise WrongSecret(
            place,
            f"the secret has {len(secret)} characters",
            f"set FAIRLOT_SECRET to {LEAST_SECRET_LENGTH} or more",
        )


def open_vault(connection: Connection, place: Place, data_dir: Path, secret: str | None) -> Vault:
    """In a write transaction. A new database gets a key in `data_dir`, unless there is a secret.

    Raises WrongSecret.
    """
    sealed = connection.execute(select(vault_check.c.sealed)).scalar()
    in_file = read_key_file(data_dir) if secret is None else None
    if sealed is None:
        vault = Vault(secret or in_file or create_key_file(data_dir))
        check = {"id": 1, "sealed": vault.seal(_CHECK, b"")}
        connection.execute(vault_check.insert().values(check))
        return vault
    if secret is None and in_file is None:
        raise WrongSecret(
            place,
            f"it was made with a secret, and neither that nor {data_dir / KEY_FILE} is given",
            f"set FAIRLOT_SECRET to it, or restore {KEY_FILE} if it was made with that",
        )
    vault = Vault(secret or in_file or "")
    try:
        vault.unseal(_CHECK, sealed)
    except SealBroken as error:
        raise WrongSecret(place, *_mismatch(data_dir, secret)) from error
    return vault


def _mismatch(data_dir: Path, secret: str | None) -> tuple[str, str]:
    if secret is None:
        return f"the key in {KEY_FILE} is not the one it was made with", "restore that file"
    if (data_dir / KEY_FILE).exists():
        return (
            "FAIRLOT_SECRET is not the secret it was made with",
            f"set that one; or unset it, if the key in {KEY_FILE} is in use",
        )
    return "FAIRLOT_SECRET is not the secret it was made with", "set that one"
