"""Encryption at rest: AES-256-GCM under a key derived from the operator's secret."""

import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.store.errors import StoreUnusable

KEY_FILE = "secret.key"
LEAST_SECRET_LENGTH = 16
VAULT_OPTION: Final = "fairlot_vault"
"""The execution option under which the connections of a store carry its vault."""
_NONCE_BYTES = 12


class SealBroken(FairlotError):
    """Something in the database was sealed under another secret or name, or altered."""

    code = "seal_broken"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name}: cannot be decrypted; restore the database from a backup")


class Vault:
    """Seals bytes under a name: what was sealed as one thing cannot be opened as another."""

    def __init__(self, secret: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fairlot.vault.1")
        self._cipher = AESGCM(derive.derive(secret.encode()))

    def seal(self, name: str, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, name.encode())

    def unseal(self, name: str, sealed: bytes) -> bytes:
        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, content, name.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(name) from error


def vault_of(connection: Connection) -> Vault:
    """What the store of an open transaction seals with."""
    vault: Vault = connection.get_execution_options()[VAULT_OPTION]
    return vault


def read_key_file(data_dir: Path) -> str | None:
    path = data_dir / KEY_FILE
    try:
        secret = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusable(path, f"cannot be read ({error})", "restore it") from error
    if len(secret) < LEAST_SECRET_LENGTH:
        raise StoreUnusable(path, "is cut short", "restore it from a backup")
    return secret


def create_key_file(data_dir: Path) -> str:
    """A new secret in a file that only its owner may read; whole and durable before it is used."""
    path, secret = data_dir / KEY_FILE, secrets.token_urlsafe(32)
    try:
        _write_durably(path, secret + "\n")
    except OSError as error:
        raise StoreUnusable(
            path, f"cannot be written ({error.strerror})", "free disk space"
        ) from error
    return secret


def _write_durably(path: Path, text: str) -> None:
    """All of it or nothing, also when the power fails. One process at a time."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
