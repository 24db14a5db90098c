"""Assignments are remembered in a database, so that a user keeps the variant on every device."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlot import Client, RequestContext
from fairlot.testing import experiment_of, manifest_of

TABLE = """
CREATE TABLE IF NOT EXISTS assignments (
    subject_id TEXT NOT NULL, experiment_key TEXT NOT NULL, variant_key TEXT NOT NULL,
    PRIMARY KEY (subject_id, experiment_key)) WITHOUT ROWID
"""


class DatabaseStorage:
    """A `StickyStorage`. It runs inside each decision, so nothing here may take long. What it
    raises is reported by the client, which then decides without a memory.

    SQLite lets threads share the connection. Processes must not: make it after a fork.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(
            path, timeout=0.2, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(TABLE)

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        rows = self._database.execute(
            "SELECT experiment_key, variant_key FROM assignments WHERE subject_id = ?",
            (subject_id,),
        )
        return dict(rows.fetchall())

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO assignments VALUES (?, ?, ?)",
            (subject_id, experiment_key, variant_key),
        )

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        self._database.execute(
            "DELETE FROM assignments WHERE subject_id = ? AND experiment_key = ?",
            (subject_id, experiment_key),
        )

    def close(self) -> None:
        self._database.close()


def ask(path: Path, weights: list[int], users: list[str]) -> None:
    """What a server says that was just started."""
    storage = DatabaseStorage(path)
    # In your application `client.init()` fetches the manifest; here one is made on the spot.
    client = Client("http://127.0.0.1:8080/v1/main/manifest.json", storage=storage)
    client.set_manifest(manifest_of([experiment_of("price", ["high", "low"], weights=weights)]))
    for user in users:
        result = client.treatment("price", user)
        print(f"{user}: variant {result.variant_key}, reason {result.reason}")
    client.close()
    storage.close()


with TemporaryDirectory() as folder:
    path = Path(folder) / "assignments.sqlite"
    ask(path, [5000, 5000], ["anna", "bert", "carla"])
    print("another server, and from now on everybody new is drawn into low")
    ask(path, [0, 10000], ["anna", "bert", "carla", "dora"])
