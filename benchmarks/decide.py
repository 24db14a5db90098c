"""How long one decision takes, beside two published SDKs measured in the same run.

    python benchmarks/decide.py [--rounds 15]

The workload is the same for all three: a warm configuration of 1,000 experiments, an even split
behind a rule of two clauses (`tier` equals, `country` is one of two), 1,000 subject ids, string
variants, nothing logged. Rounds are interleaved, and the figure is the median over rounds of the
mean time of a call. Every answer is checked before anything is timed.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fairlot.engine import (
    Audience,
    Context,
    Experiment,
    Manifest,
    Variant,
    compile_manifest,
    decide,
)

AIM_NS = 500
AIM_RATIOS = {"eppo-server-sdk": 1.4, "growthbook": 25.0}
EXPERIMENTS = 1_000
SUBJECTS = [f"user-{number:06d}" for number in range(1_000)]
ATTRIBUTES = {"tier": "pro", "country": "CA"}
KEY = "exp-500"
VARIANTS = ("control", "treatment")

Ask = Callable[[str], str | None]
Loop = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Peer:
    """`ask` gives the variant for the check; `loop` makes the public call once a subject."""

    ask: Ask
    loop: Loop


def fairlot_peer(experiments: int) -> Peer:
    rule = {"tier": "pro", "country": {"$in": ["US", "CA"]}}
    variants = tuple(Variant(key, is_control=key == "control") for key in VARIANTS)
    manifest = Manifest(
        "bench",
        "bench",
        1,
        "",
        tuple(
            Experiment(f"exp-{number}", f"exp-{number}", variants, audience=Audience(rule=rule))
            for number in range(experiments)
        ),
    )
    compiled = compile_manifest(manifest)
    context = Context(attributes=ATTRIBUTES)
    key = KEY if experiments > 500 else "exp-0"

    def ask(subject: str) -> str | None:
        variant = decide(compiled, key, subject, context).variant
        return None if variant is None else variant.key

    def loop() -> None:
        for subject in SUBJECTS:
            decide(compiled, key, subject, context)

    return Peer(ask, loop)


def fairlot_fresh_context() -> Peer:
    """The same with the context built anew for every call, as a one-decision request does."""
    rule = {"tier": "pro", "country": {"$in": ["US", "CA"]}}
    variants = tuple(Variant(key) for key in VARIANTS)
    experiment = Experiment(KEY, KEY, variants, audience=Audience(rule=rule))
    compiled = compile_manifest(Manifest("bench", "bench", 1, "", (experiment,)))

    def ask(subject: str) -> str | None:
        variant = decide(compiled, KEY, subject, Context(attributes=ATTRIBUTES)).variant
        return None if variant is None else variant.key

    def loop() -> None:
        for subject in SUBJECTS:
            decide(compiled, KEY, subject, Context(attributes=ATTRIBUTES))

    return Peer(ask, loop)


def eppo_peer() -> Peer:
    eppo: Any = importlib.import_module("eppo_client")
    flags = {f"exp-{number}": eppo_flag(f"exp-{number}") for number in range(EXPERIMENTS)}
    configuration = {
        "createdAt": "2026-01-01T00:00:00Z",
        "format": "SERVER",
        "environment": {"name": "bench"},
        "flags": flags,
    }
    client = eppo.init(
        eppo.ClientConfig(
            api_key="bench",
            base_url="http://127.0.0.1:1",
            assignment_logger=eppo.AssignmentLogger(),
            initial_configuration=eppo.Configuration(
                flags_configuration=json.dumps(configuration).encode()
            ),
            poll_interval_seconds=None,
        )
    )
    assignment: Callable[[str, str, dict[str, str], str], str] = client.get_string_assignment

    def ask(subject: str) -> str | None:
        return assignment(KEY, subject, ATTRIBUTES, "default")

    def loop() -> None:
        for subject in SUBJECTS:
            assignment(KEY, subject, ATTRIBUTES, "default")

    return Peer(ask, loop)


def eppo_flag(key: str) -> dict[str, Any]:
    conditions = [
        {"attribute": "tier", "operator": "ONE_OF", "value": ["pro"]},
        {"attribute": "country", "operator": "ONE_OF", "value": ["US", "CA"]},
    ]
    splits = [
        {
            "variationKey": variant,
            "shards": [
                {"salt": key, "ranges": [{"start": 5000 * index, "end": 5000 * index + 5000}]}
            ],
        }
        for index, variant in enumerate(VARIANTS)
    ]
    allocation = {"key": "main", "rules": [{"conditions": conditions}], "splits": splits}
    return {
        "key": key,
        "enabled": True,
        "variationType": "STRING",
        "variations": {variant: {"key": variant, "value": variant} for variant in VARIANTS},
        "totalShards": 10_000,
        "allocations": [{**allocation, "doLog": False}],
    }


def growthbook_peer() -> Peer:
    growthbook: Any = importlib.import_module("growthbook")
    features = {
        f"exp-{number}": {
            "defaultValue": None,
            "rules": [
                {
                    "key": f"exp-{number}",
                    "condition": {"tier": "pro", "country": {"$in": ["US", "CA"]}},
                    "variations": list(VARIANTS),
                    "weights": [0.5, 0.5],
                    "coverage": 1.0,
                    "hashAttribute": "id",
                    "hashVersion": 2,
                }
            ],
        }
        for number in range(EXPERIMENTS)
    }
    client = growthbook.GrowthBook(attributes={}, features=features)

    def ask(subject: str) -> str | None:
        client.set_attributes({"id": subject, **ATTRIBUTES})
        answer: str | None = client.get_feature_value(KEY, None)
        return answer

    def loop() -> None:
        for subject in SUBJECTS:
            ask(subject)

    return Peer(ask, loop)


def empty_call(_compiled: object, _key: object, _subject: object, _context: object) -> None:
    """What a call of four arguments costs by itself."""


def empty_peer() -> Peer:
    def loop() -> None:
        for subject in SUBJECTS:
            empty_call(loop, KEY, subject, loop)

    return Peer(lambda _subject: None, loop)


def check_answers(name: str, ask: Ask) -> None:
    answers = [ask(subject) for subject in SUBJECTS]
    again = [ask(subject) for subject in SUBJECTS]
    share = answers.count("treatment") / len(answers)
    if answers != again or set(answers) != set(VARIANTS) or not 0.42 < share < 0.58:
        raise SystemExit(f"{name}: wrong answers (share {share}, values {set(answers)})")


def mean_ns(loop: Loop, repeats: int) -> float:
    started = time.perf_counter_ns()
    for _ in range(repeats):
        loop()
    return (time.perf_counter_ns() - started) / (repeats * len(SUBJECTS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    peers: dict[str, tuple[Peer, int]] = {
        "empty call": (empty_peer(), 50),
        "fairlot, 1,000 experiments": (fairlot_peer(EXPERIMENTS), 20),
        "fairlot, 1 experiment": (fairlot_peer(1), 20),
        "fairlot, context per call": (fairlot_fresh_context(), 20),
        "eppo-server-sdk": (eppo_peer(), 20),
        "growthbook": (growthbook_peer(), 2),
    }
    for name, (peer, _) in peers.items():
        if name != "empty call":
            check_answers(name, peer.ask)
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, (peer, repeats) in peers.items():
            times[name].append(mean_ns(peer.loop, repeats))
    report({name: statistics.median(values) for name, values in times.items()})


def report(medians: dict[str, float]) -> None:
    ours = medians["fairlot, 1,000 experiments"]
    for name, median in medians.items():
        print(f"{name:28} {median:9.0f} ns   {median / ours:6.2f} x fairlot")
    print(verdict(f"one decision under {AIM_NS} ns", ours, "ns", ours < AIM_NS))
    for name, aim in AIM_RATIOS.items():
        ratio = medians[name] / ours
        print(verdict(f"at least {aim:g} times faster than {name}", ratio, "x", ratio >= aim))
    growth = ours / medians["fairlot, 1 experiment"]
    print(verdict("no cost that grows with the experiments", growth, "x", growth < 1.25))


def verdict(aim: str, value: float, unit: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'} {aim}: {value:.2f} {unit}"


if __name__ == "__main__":
    main()
