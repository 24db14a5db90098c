"""The store in one SQLite file of the data directory."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from fairlot.store.errors import NewerStore, StoreFailed, StoreUnusable, WrongSecret
from fairlot.store.migrations import LATEST, REVISIONS, upgrade
from fairlot.store.tables import vault_check
from fairlot.store.tenants import read_generation
from fairlot.store.vault import (
    KEY_FILE,
    LEAST_SECRET_LENGTH,
    VAULT_OPTION,
    SealBroken,
    Vault,
    create_key_file,
    read_key_file,
)

DATABASE_FILE = "fairlot.db"
LOCK_FILE = "fairlot.db.lock"
_BUSY_TIMEOUT_S = 10.0
_CHECK = "vault-check"


class SqliteStore:
    """Safe from any thread; not across a fork. Made by `open_store`."""

    def __init__(self, path: Path, engine: Engine, vault: Vault) -> None:
        self._path = path
        self._engine = engine.execution_options(**{VAULT_OPTION: vault})
        self._vault = vault
        self._identity = _identity_of(path)

    @property
    def vault(self) -> Vault:
        return self._vault

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _reported(self._path), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *, keep: bool = True) -> Iterator[Connection]:
        with (
            _reported(self._path),
            _write_connection(self._engine) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            if not keep:
                transaction.rollback()

    def generation(self) -> int:
        """Also fails when another file has taken the database's place: what we hold open is then
        not what others write to."""
        if _identity_of(self._path) != self._identity:
            problem = "was deleted or replaced while it was open"
            raise StoreUnusable(self._path, problem, "restart the server")
        with self.reading() as connection:
            return read_generation(connection)

    def close(self) -> None:
        self._engine.dispose()


def open_store(data_dir: Path, secret: str | None) -> SqliteStore:
    """Open the database of `data_dir`, made and migrated as needed.

    `secret` encrypts the signing keys; without one a key is kept in `secret.key` beside the
    database. Raises StoreUnusable, NewerStore or WrongSecret, and then changes nothing. Several
    processes may open at once.
    """
    if secret is not None and len(secret) < LEAST_SECRET_LENGTH:
        raise WrongSecret(
            data_dir,
            f"the secret has {len(secret)} characters",
            f"set FAIRLOT_SECRET to {LEAST_SECRET_LENGTH} or more",
        )
    path = data_dir / DATABASE_FILE
    with _locked(data_dir):
        _create_private(path)
        engine = _engine(path)
        try:
            _check_sound(path, engine)
            _migrate(path, engine)
            vault = _open_vault(path, engine, secret)
        except BaseException:
            engine.dispose()
            raise
    return SqliteStore(path, engine, vault)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One process at a time creates, migrates and makes the key."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(
            data_dir, f"cannot be written ({error.strerror})", "name a directory that you own"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create_private(path: Path) -> None:
    """SQLite would make the file readable to all; its companions take over the rights it has."""
    with suppress(OSError):  # what cannot be made is reported when it is opened
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Which file a path names; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        hide_parameters=True,  # tokens are among them, and errors are logged
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("fairlot_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_connection(engine: Engine) -> Connection:
    return engine.connect().execution_options(fairlot_writes=True)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StoreFailed(path, str(error.orig)) from error


def _check_sound(path: Path, engine: Engine) -> None:
    """A file that is no database, or only part of one, is refused before anything is written."""
    if path.stat().st_size == 0 and (path.parent / KEY_FILE).exists():
        raise _damaged(path, "it is missing or empty, though a key was made for it")
    try:
        with engine.connect() as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.OperationalError):
            raise StoreUnusable(
                path, f"cannot be opened ({error.orig})", "check the rights and the disk"
            ) from error
        raise _damaged(path, str(error.orig)) from error
    if verdict != "ok":
        raise _damaged(path, str(verdict))


def _damaged(path: Path, problem: str) -> StoreUnusable:
    return StoreUnusable(path, f"is not a sound database ({problem})", "restore a backup")


def _migrate(path: Path, engine: Engine) -> None:
    with _reported(path), _write_connection(engine) as connection, connection.begin():
        known = connection.exec_driver_sql(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).scalar()
        revision = (
            connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            if known
            else None
        )
        if revision is not None and revision not in REVISIONS:
            raise NewerStore(path, revision)
        if revision != LATEST:
            upgrade(connection)


def _open_vault(path: Path, engine: Engine, secret: str | None) -> Vault:
    data_dir = path.parent
    with _reported(path), _write_connection(engine) as connection, connection.begin():
        sealed = connection.execute(select(vault_check.c.sealed)).scalar()
        in_file = read_key_file(data_dir) if secret is None else None
        if sealed is None:
            vault = Vault(secret or in_file or create_key_file(data_dir))
            check = {"id": 1, "sealed": vault.seal(_CHECK, b"")}
            connection.execute(vault_check.insert().values(check))
            return vault
    if secret is None and in_file is None:
        raise WrongSecret(
            path, "it was made with a secret and none is given", "set FAIRLOT_SECRET to it"
        )
    vault = Vault(secret or in_file or "")
    try:
        vault.unseal(_CHECK, sealed)
    except SealBroken as error:
        raise WrongSecret(path, *_mismatch(data_dir, secret)) from error
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
