"""Several processes that publish to one project at once."""

import multiprocessing
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.service.bootstrap import bootstrap
from fairlot.service.snapshot import load_snapshot
from fairlot.store import open_store
from support.applying import apply_texts
from support.experiment_texts import VARIANTS

pytestmark = pytest.mark.slow

PUBLISHERS = 2
EACH = 12
NOW_MS = 1_795_413_600_000


def publish_all(where: tuple[Path, str | None, int]) -> list[int | None]:
    """The versions that one publisher made, each with a new experiment."""
    directory, database_url, publisher = where
    with closing(open_store(directory, None, database_url)) as store:
        texts = [f"key: of-{publisher}-{number}\nname: N\n{VARIANTS}" for number in range(EACH)]
        return [apply_texts(store, text, now_ms=NOW_MS).version for text in texts]


def test_publish__two_processes_at_once__lose_nothing_and_share_no_version(
    tmp_path: Path, database_url: str | None
) -> None:
    store = open_store(tmp_path, None, database_url)
    assert bootstrap(store) is not None
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(PUBLISHERS) as pool:
        tasks = [(tmp_path, database_url, publisher) for publisher in range(PUBLISHERS)]
        made = pool.map(publish_all, tasks, chunksize=1)
    assert sorted(version for versions in made for version in versions if version) == list(
        range(1, PUBLISHERS * EACH + 1)
    )
    served = load_snapshot(store).projects["default", "default"]
    assert served.version == PUBLISHERS * EACH
    assert len(served.compiled.manifest.experiments) == PUBLISHERS * EACH
    store.close()
