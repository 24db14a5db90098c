"""A data directory with an experiment that has run for two weeks, and its events."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from fairlot.cli import main
from fairlot.events import Event
from fairlot.warehouse.lake import write_events
from support.patients import START_MS, Patient, conversions_of, exposures_of, replaced

EXPERIMENT = """\
key: e
name: Even
type: ab
status: running
variants:
  - {key: a, name: A, isControl: true}
  - {key: b, name: B}
metrics:
  - {metric: bought, isPrimary: true}
  - spent
  - typical
"""
METRICS = """\
kind: metric
key: bought
type: conversion
eventName: purchase
minimumEffect: 0.05
---
kind: metric
key: spent
type: sum
eventName: purchase
---
kind: metric
key: typical
type: quantile
eventName: purchase
quantile: 0.5
"""


def plant(directory: Path, patients: list[Patient], text: str = EXPERIMENT) -> Path:
    """Publish the experiment as if it had started when the first of them came."""
    files, data = directory / "files", directory / "data"
    files.mkdir()
    (files / "e.yaml").write_text(text, "utf-8")
    for number, text in enumerate(METRICS.split("---\n")):
        (files / f"metric{number}.yaml").write_text(text, "utf-8")
    assert main(["init", "--data-only", "--data", str(data)]) == 0
    assert main(["apply", str(files), "--yes", "--data", str(data)]) == 0
    with closing(sqlite3.connect(data / "fairlot.db")) as store, store:
        store.execute("UPDATE experiments SET started_at_ms = ?", (START_MS,))
        (experiment, project) = store.execute("SELECT id, project_id FROM experiments").fetchone()
    write_events(data / "events", _events(patients, project, experiment))
    return data


def _events(patients: list[Patient], project: str, experiment: str) -> Iterator[Event]:
    own = {"project_id": project}
    for each in patients:
        for exposure in exposures_of(each):
            yield replaced(exposure, own | {"experiment_id": experiment})
        for conversion in conversions_of(each):
            yield replaced(conversion, own)
