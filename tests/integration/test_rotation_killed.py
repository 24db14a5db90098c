"""A process that is killed in the middle of a rotation, and the same command once more."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlot.service.actors import SYSTEM
from fairlot.service.audit_verification import verify_audit
from fairlot.service.bootstrap import bootstrap
from fairlot.service.key_rotation import rotate_keys
from fairlot.service.snapshot import Snapshot, load_snapshot
from fairlot.store import Store, open_store
from fairlot.store.signing_keys import read_signing_keys
from fairlot.store.tenants import find_organization

pytestmark = pytest.mark.slow

SECRET = "a secret of the operator"
ROTATE = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from fairlot.service.actors import SYSTEM
from fairlot.service.key_rotation import rotate_keys
from fairlot.store import open_store
from fairlot.store.tenants import find_organization

folder, url, left = Path(sys.argv[1]), sys.argv[2] or None, int(sys.argv[3])

def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

with open_store(folder, "a secret of the operator", url).writing() as connection:
    organization = find_organization(connection, "default")
    event.listen(connection, "before_cursor_execute", count)
    rotate_keys(connection, organization, SYSTEM, now_ms=1, wait_s=0)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, database_url: str | None) -> tuple[Path, str | None]:
    with closing(open_store(tmp_path, SECRET, database_url)) as store:
        assert bootstrap(store, now_ms=0)
    return tmp_path, database_url


def states(store: Store) -> dict[str, str]:
    with store.reading() as connection:
        return {key.kid: key.state for key in read_signing_keys(connection)}


def served(store: Store) -> tuple[Any, ...]:
    snapshot: Snapshot = load_snapshot(store)
    return snapshot.projects["default", "default"].signed, snapshot.jwks, snapshot.generation


@pytest.mark.parametrize("statements", [3, 9, 999], ids=["early", "half-way", "before the commit"])
def test_rotate__killed__has_not_happened_and_the_same_call_goes_on(
    place: tuple[Path, str | None], statements: int
) -> None:
    folder, url = place
    with closing(open_store(folder, SECRET, url)) as store:
        before = states(store), served(store)
    words = [sys.executable, "-c", ROTATE, str(folder), url or "", str(statements)]
    killed = subprocess.run(words, check=False, timeout=180)
    assert killed.returncode == -signal.SIGKILL
    with closing(open_store(folder, SECRET, url)) as store:
        assert (states(store), served(store)) == before
        with store.writing() as connection:
            organization = find_organization(connection, "default")
            assert organization is not None
            change = rotate_keys(connection, organization, SYSTEM, now_ms=1, wait_s=0)
            assert verify_audit(connection, organization.id).broken is None
        assert change.versions == {"default": 1}
        assert sorted(states(store).values()) == ["current", "next", "retiring"]
