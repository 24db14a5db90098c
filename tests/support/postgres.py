"""A real PostgreSQL: one cluster for all workers of a test run, and databases in it.

The first test that needs it starts it; the controller of the run stops it (tests/conftest.py).
"""

import fcntl
import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest

from fairlot.store import open_store
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.tables import metadata as profiles_metadata
from fairlot.store.tables import metadata
from support.processes import free_port

PASSWORD = "pass-word-of-the-tests"
INSTALL = (
    "no PostgreSQL 15 or newer here: install Debian's or Homebrew's `postgresql`, or put the"
    " directory of another `initdb` on PATH"
)
DATABASES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgres),
]
"""The parameters of a fixture that gives a store, or where one is."""
_OWNER = "fairlot_owner"  # no superuser, as in production
_SUPERUSER = "super"
_TEMPLATE = "fairlot_template"
_LEAST_VERSION = 15  # of the tests: collations of ICU, and databases that are copied as files
_EMPTIED = [*metadata.tables, *(profiles_metadata.tables.keys() - {"profile_schema"})]
_DEBIAN = Path("/usr/lib/postgresql")


class PostgresMissing(Exception):
    """There is none on this machine."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. Its databases sort as English does, not by code point."""

    directory: Path
    port: int

    def url(self, database: str, user: str = _OWNER) -> str:
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def administer(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run them as superuser; the rows of the last."""
        url = self.url(database, _SUPERUSER)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, name: str, template: str = "template0") -> str:
        """The URL of a new database."""
        self.administer(
            f"CREATE DATABASE {name} OWNER {_OWNER} TEMPLATE {template} STRATEGY file_copy"
        )
        return self.url(name)

    def drop(self, name: str) -> None:
        self.administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """An empty one, for tests that make, migrate or spoil its tables."""
        name = f"new_{token_hex(6)}"
        try:
            yield self.create(name)
        finally:
            self.drop(name)

    def exists(self, name: str) -> bool:
        return (name,) in self.administer("SELECT datname FROM pg_database")

    def disconnect(self, name: str) -> None:
        """End all connections to a database, as a restart of the server would."""
        others = "pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        self.administer(f"SELECT pg_terminate_backend(pid) FROM {others}", database=name)  # noqa: S608 - of ours

    def processes(self) -> list[int]:
        """Of the server: the first, and all that it started."""
        first = (self.directory / "data" / "postmaster.pid").read_text().split("\n")[0]
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        ).stdout
        rows = (line.split() for line in listed.splitlines())
        return [int(first), *(int(pid) for pid, parent in rows if parent == first)]

    def stop(self) -> None:
        _run("pg_ctl", "-D", self.directory / "data", "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        options = (
            f"-h 127.0.0.1 -p {self.port} -c unix_socket_directories='' -c fsync=off"
            " -c max_connections=200 -c full_page_writes=off -c autovacuum=off"
        )
        log = self.directory / "log"
        _run("pg_ctl", "-D", self.directory / "data", "-l", log, "-o", options, "-w", "start")


@contextmanager
def new_database_for(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Of a fixture with the parameters DATABASES: None, or the URL of an empty database."""
    if request.param == "sqlite":
        yield None
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    with cluster.new_database() as url:
        yield url


def new_cluster(directory: Path) -> Cluster:
    """Made in `directory`, and running."""
    directory.mkdir(mode=0o755, exist_ok=True)
    data = directory / "data"
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(directory, "postgres")
    words = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-U", _SUPERUSER]
    words += ["--locale-provider=icu", "--icu-locale=en-US"]
    _run("initdb", "-D", data, *words)
    cluster = Cluster(directory, free_port())
    cluster.start()
    cluster.administer(f"CREATE ROLE {_OWNER} LOGIN")
    return cluster


def shared_cluster(directory: Path) -> Cluster:
    """The one that lives in `directory`, started by whichever process comes first."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        port = directory / "port"
        if port.exists():
            return Cluster(directory / "cluster", int(port.read_text()))
        cluster = new_cluster(directory / "cluster")
        _make_template(cluster, directory)
        port.write_text(str(cluster.port))
        return cluster


def stop_shared_cluster(directory: Path) -> None:
    port = directory / "port"
    if port.exists():
        Cluster(directory / "cluster", int(port.read_text())).stop()
    shutil.rmtree(directory)


def stop_cluster(cluster: Cluster) -> None:
    """One of `new_cluster`."""
    cluster.stop()
    shutil.rmtree(cluster.directory.parent)


def shared_directory() -> Path:
    """A directory that the user of the server can enter, as those of pytest are not."""
    directory = Path(mkdtemp(prefix="fairlot-postgres-"))
    directory.chmod(0o755)
    return directory


@contextmanager
def clean_database(cluster: Cluster, name: str) -> Iterator[str]:
    """The URL of a database that has all tables and no rows. It is made once and emptied for each
    use; or made again, when a test has changed its tables."""
    if cluster.exists(name):
        cluster.disconnect(name)
        if _schema(cluster, name) == _template_schema(cluster):
            _empty(cluster, name)
        else:
            cluster.drop(name)
            cluster.create(name, _TEMPLATE)
    else:
        cluster.create(name, _TEMPLATE)
    yield cluster.url(name)


@cache
def _template_schema(cluster: Cluster) -> list[tuple[Any, ...]]:
    return _schema(cluster, _TEMPLATE)


def _schema(cluster: Cluster, name: str) -> list[tuple[Any, ...]]:
    return cluster.administer(
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace"
        " UNION SELECT tgname, '' FROM pg_trigger"
        " UNION SELECT 'revision', version_num FROM alembic_version ORDER BY 1, 2",
        database=name,
    )


def _empty(cluster: Cluster, name: str) -> None:
    cluster.administer(
        # also of the audit log, whose triggers refuse it, and in any order
        "SET session_replication_role = replica",
        *(f"DELETE FROM {table}" for table in _EMPTIED),  # noqa: S608 - names of ours
        "INSERT INTO serving VALUES (1, 0)",
        "UPDATE profile_schema SET change_no = 0",
        database=name,
    )


def _make_template(cluster: Cluster, directory: Path) -> None:
    url = cluster.create(_TEMPLATE)
    open_store(directory / "template", None, url).close()
    open_profile_store(directory / "template", url).close()
    cluster.administer("DELETE FROM vault_check", database=_TEMPLATE)


def _run(program: str, *words: object) -> None:
    command = [str(_binaries() / program), *map(str, words)]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    # Into a file: what the server inherits would keep a pipe open for as long as it runs.
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", check=False
    )
    assert ran.returncode == 0, f"{program} failed as {getpass.getuser()}"


@cache
def _binaries() -> Path:
    """Those of the newest PostgreSQL that is installed."""
    named = shutil.which("initdb")
    found = [Path(named)] if named else sorted(_DEBIAN.glob("*/bin/initdb"), key=_version_of)
    if not found or _version_of(found[-1]) < _LEAST_VERSION:
        raise PostgresMissing(INSTALL)
    return found[-1].resolve().parent


def _version_of(initdb: Path) -> int:
    """The 15 of `initdb (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`."""
    said = subprocess.run([initdb, "--version"], capture_output=True, text=True, check=True).stdout
    (major,) = re.findall(r"^\D+(\d+)", said)
    return int(major)
