"""How long 1,000 experiments take to read and to apply, beside a plain load of the same text.

    python benchmarks/authoring.py [--rounds 7]

The workload is a folder of 1,000 files: an experiment with a rule of three clauses, two URL
patterns, a query parameter, a segment, a layer range, a schedule, two weighted variants with
payloads and two metrics; and one file with what they name. Read means: parsed, checked to the last
clause, and ready to be applied. The peer only loads the YAML, with PyYAML's C loader, and checks
nothing. Rounds are interleaved, and the figure is the median of seconds of this process's CPU time.
Apply is all of `fairlot apply` but the printing (read, plan, store, publish) in a new SQLite file;
its figure is seconds on the clock, the median of three.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.source_files import SourceFile
from fairlot.service.actors import Actor, Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.changes.applying import Asked, apply_files
from fairlot.store import open_store
from fairlot.store.tenants import find_project

AIM_READ_S = 2.0
AIM_APPLY_S = 8.0
AIM_RATIO = 4.0
EXPERIMENTS = 1_000
LAYERS = 20

EXPERIMENT = """\
key: experiment-{number}
name: Experiment {number}
description: What we want to find out with number {number}.
hypothesis: A shorter form makes more visitors finish.
owner: growth team
tags: [growth, checkout]
status: running
audience:
  sampleRate: 0.5
  segments: [paying]
  rule:
    country: {{$in: [DE, AT, CH]}}
    tier: {{$in: [gold, platinum]}}
    age: {{$gte: 18, $lt: 65}}
  urlPatterns:
    - /checkout/**
    - shop.example/cart
  queryParams:
    - {{key: campaign, operator: equals, value: autumn}}
layer: {{key: layer-{layer}, start: {start}, end: {end}}}
schedule:
  start: 2026-11-23T06:00:00Z
variants:
  - key: control
    name: As it is
    weight: 5000
    payload: {{form: long}}
  - key: short
    name: Short form
    weight: 5000
    payload: {{form: short, steps: 2}}
metrics:
  - {{metric: purchase, isPrimary: true}}
  - {{key: revenue, kind: sum, eventName: purchase_completed}}
"""
DEFINITIONS = """\
kind: segment
key: paying
rule: {plan: {$ne: free}}
---
kind: metric
key: purchase
type: conversion
eventName: purchase_completed
"""


def folder() -> list[SourceFile]:
    files = [SourceFile("definitions.yaml", DEFINITIONS)]
    width = 10_000 // (EXPERIMENTS // LAYERS)
    for number in range(EXPERIMENTS):
        start = number // LAYERS * width
        text = EXPERIMENT.format(
            number=number, layer=number % LAYERS, start=start, end=start + width
        )
        files.append(SourceFile(f"{number}.yaml", text))
    return files


def read(files: list[SourceFile]) -> Documents:
    documents, problems = read_files(files)
    if problems:
        raise SystemExit("\n".join(map(str, problems)))
    return documents


def load(files: list[SourceFile]) -> list[Any]:
    return [document for file in files for document in yaml.load_all(file.text, yaml.CSafeLoader)]


def check_answer(files: list[SourceFile]) -> None:
    """What both read is the same, as far as both know it."""
    documents, plain = read(files), load(files)
    ours = {
        spec.experiment.key: (
            spec.experiment.name,
            spec.experiment.audience.rule,
            [variant.weight for variant in spec.experiment.variants],
        )
        for spec in documents.experiments
    }
    theirs = {
        each["key"]: (
            each["name"],
            each["audience"]["rule"],
            [variant["weight"] for variant in each["variants"]],
        )
        for each in plain
        if "kind" not in each
    }
    if ours != theirs or len(ours) != EXPERIMENTS or len(documents.definitions) != 2:
        raise SystemExit("wrong answer")


def seconds(run: Callable[[list[SourceFile]], object], files: list[SourceFile]) -> float:
    started = time.process_time()
    run(files)
    return time.process_time() - started


def apply_seconds(files: list[SourceFile]) -> float:
    with tempfile.TemporaryDirectory() as directory:
        store = open_store(Path(directory), "a secret of the benchmark")
        bootstrap(store)
        started = time.perf_counter()
        with store.writing() as connection:
            tenant = find_project(connection, "default", "default")
            if tenant is None:
                raise SystemExit("no project")
            actor = Actor("local:bench", frozenset(Scope))
            now_ms = time.time_ns() // 1_000_000
            asked = Asked(files)
            applied = apply_files(connection, tenant, asked, actor=actor, now_ms=now_ms)
        took = time.perf_counter() - started
        store.close()
    if len(applied.changes) < EXPERIMENTS or applied.version is None:
        raise SystemExit("not applied")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    files = folder()
    check_answer(files)
    times: dict[str, list[float]] = {"fairlot": [], "PyYAML, load only": []}
    for _ in range(rounds):
        times["fairlot"].append(seconds(read, files))
        times["PyYAML, load only"].append(seconds(load, files))
    medians = {name: statistics.median(values) for name, values in times.items()}
    report(medians, statistics.median(apply_seconds(files) for _ in range(3)))


def report(medians: dict[str, float], applied_s: float) -> None:
    ours, peer = medians.values()
    for name, median in medians.items():
        print(f"{name:20} {median:7.3f} s   {median / peer:6.2f} x a plain load")
    print(f"{'fairlot, applied':20} {applied_s:7.3f} s")
    count = f"{EXPERIMENTS:,} experiments"
    print(verdict(f"{count} read in {AIM_READ_S:g} s", ours, "s", ours <= AIM_READ_S))
    is_soon = applied_s <= AIM_APPLY_S
    print(verdict(f"{count} applied in {AIM_APPLY_S:g} s", applied_s, "s", is_soon))
    is_near = ours / peer <= AIM_RATIO
    print(verdict(f"at most {AIM_RATIO:g} times a plain load", ours / peer, "x", is_near))


def verdict(aim: str, value: float, unit: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'} {aim}: {value:.2f} {unit}"


if __name__ == "__main__":
    main()
