"""A backup while a server works, and a restore that neither clients nor subjects notice."""

import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fairlot import Client
from fairlot.warehouse.log import read_exposures
from support.processes import ask, fairlot, free_port, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

HERO = """
key: hero
name: Hero
variants:
  - {{key: control, name: Control, weight: {control}}}
  - {{key: bold, name: Bold, weight: {bold}}}
"""
EVEN = {"control": 5000, "bold": 5000}
ALL_BOLD = {"control": 0, "bold": 10_000}


def publish(folder: Path, **weights: int) -> str:
    (folder / "experiments").mkdir(exist_ok=True)
    (folder / "experiments" / "hero.yaml").write_text(HERO.format(**weights), "utf-8")
    return published(folder / "data", folder / "experiments")


def variants(port: int, token: str, visitors: list[str]) -> dict[str, object]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return {each: ask(connection, "hero", token, each)[1]["variant_key"] for each in visitors}


def test_restore__of_a_backup_made_under_load__is_accepted_by_a_client_that_saw_more(
    tmp_path: Path,
) -> None:
    """By the weights of the backup everyone is bold: only its event log knows who was not."""
    token = publish(tmp_path, **EVEN)
    data, port, stop = str(tmp_path / "data"), free_port(), threading.Event()
    visitors = [f"visitor-{number}" for number in range(200)]
    reports: list[object] = []
    with serving(tmp_path / "data", port=port, workers=2, FAIRLOT_DURABLE_IMPRESSIONS="true"):
        first = variants(port, token, visitors)
        assert set(first.values()) == {"control", "bold"}
        publish(tmp_path, **ALL_BOLD)

        def load() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                variants(port, token, [f"other-{number}"])

        loading = threading.Thread(target=load)
        loading.start()
        fairlot("backup", str(tmp_path / "copy"), "--data", data)
        stop.set()
        loading.join()
        for weights in (EVEN, ALL_BOLD):
            publish(tmp_path, **weights)
        client = Client(
            f"http://127.0.0.1:{port}/v1/default/manifest.json",
            on_refresh_error=lambda *told: reports.append(told),
        )
        wait_for(lambda: client.refresh() and client.treatment("hero", "v").manifest_version == 4)
        reports.clear()  # One worker may have answered with an older version than the other before.
    done = fairlot("restore", str(tmp_path / "copy"), "--replace", "--data", data)
    assert done["projects"][0]["published"] == 5
    with serving(tmp_path / "data", port=port, workers=2):
        assert client.refresh()
        assert client.treatment("hero", "v").manifest_version == 5
        assert variants(port, token, visitors) == first
    client.close()
    assert reports == []
    recorded = {each.subject_id for each in read_exposures(tmp_path / "data" / "events")}
    assert recorded >= set(visitors)
