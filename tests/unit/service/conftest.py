"""A store with its first organization, and a short way to apply experiment files to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.applying import ApplyResult, apply_specs
from fairlot.service.bootstrap import bootstrap
from fairlot.store import Store, open_store
from support.experiment_texts import read_experiments

NOW_MS = 1_795_413_600_000
Apply = Callable[..., ApplyResult]


@pytest.fixture
def empty_store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    store = open_store(tmp_path, "a secret of the operator", database_url)
    yield store
    store.close()


@pytest.fixture
def store(empty_store: Store) -> Store:
    assert bootstrap(empty_store, now_ms=NOW_MS) is not None
    return empty_store


@pytest.fixture
def apply(store: Store) -> Apply:
    """Applies YAML texts, one experiment each, to project `default`."""

    def apply_texts(*texts: str, now_ms: int = NOW_MS, dry_run: bool = False) -> ApplyResult:
        specs: list[ExperimentSpec] = []
        for number, text in enumerate(texts):
            found, problems = read_experiments(text, f"file{number}.yaml")
            assert problems == ()
            specs += found
        return apply_specs(store, "default", "default", specs, now_ms=now_ms, dry_run=dry_run)

    return apply_texts
