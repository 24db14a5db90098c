"""Weights and rules changed in mid-run: who was seen keeps the variant, who is new does not."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest

from support.processes import ServerProcess, ask, fairlot, published, serving, variant_of
from support.waiting import wait_for

pytestmark = pytest.mark.slow

EXPERIMENT = "price"
YAML = """
key: price
name: Price of the first month
audience:
  rule: {{tier: free}}
variants:
  - {{key: control, name: Full price, weight: {control}}}
  - {{key: cheap, name: Half price, weight: {cheap}}}
"""
SEEN = [f"seen-{number}" for number in range(400)]
NEW = [f"new-{number}" for number in range(400)]
FREE = {"attributes": {"tier": "free"}}
UPGRADED = {"attributes": {"tier": "pro"}}


def write(folder: Path, control: int, cheap: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "price.yaml").write_text(YAML.format(control=control, cheap=cheap))
    return folder


def variants(
    server: ServerProcess, token: str, subjects: list[str], context: Mapping[str, object]
) -> dict[str, str | None]:
    """Asked over a new connection each, so that every worker gets some."""
    answers = {}
    for subject in subjects:
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            status, answer = ask(connection, EXPERIMENT, token, subject, context=context)
        assert status == 200
        answers[subject] = variant_of(answer)
    return answers


def manifest_version(server: ServerProcess) -> int:
    shown = fairlot("manifest", "show", "--data", str(server.data_dir))
    version: int = shown["version"]
    return version


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_changed_in_mid_run__seen_kept_and_new_follow(tmp_path: Path, workers: int) -> None:
    data_dir, experiments = tmp_path / "data", write(tmp_path / "experiments", 9000, 1000)
    token = published(data_dir, experiments)
    with serving(data_dir, workers=workers) as server:
        before = variants(server, token, SEEN, FREE)
        assert 8 < Counter(before.values())["cheap"] < 80
        published(data_dir, write(experiments, 0, 10_000))
        assert manifest_version(server) == 2
        fresh = count()  # whom a worker has seen too early keeps what it gave
        wait_for(
            lambda: all(
                set(variants(server, token, [f"probe-{next(fresh)}"], FREE).values()) == {"cheap"}
                for _ in range(30)
            )
        )
        assert variants(server, token, SEEN, FREE) == before
        assert set(variants(server, token, NEW, FREE).values()) == {"cheap"}
        assert variants(server, token, SEEN, UPGRADED) == before
        stranger = variants(server, token, ["stranger"], UPGRADED)
        assert stranger == {"stranger": None}
    with serving(data_dir, workers=workers) as server:
        assert variants(server, token, SEEN, UPGRADED) == before


def test_upgraded_subject__draw_unchanged__stays_in(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    token = published(data_dir, write(tmp_path / "experiments", 5000, 5000))
    with serving(data_dir) as server:
        before = variants(server, token, SEEN[:50], FREE)
        assert set(before.values()) == {"control", "cheap"}
        assert variants(server, token, SEEN[:50], UPGRADED) == before
        assert set(variants(server, token, NEW[:50], UPGRADED).values()) == {None}
