"""How long a plan takes over ten million exposures and fifty changed experiments.

    python benchmarks/plan.py [--exposures 10000000] [--directory DIR]

Builds an event log of four workers (about 900 MB for each million exposures; in DIR it is kept and
used again), with two million subjects, some in accounts, half of the exposures from a server that
remembers and half from SDKs. Then it asks `effects_of`, the function behind `fairlot plan`, about
fifty experiments: other weights, swapped variants, sample rates, layer ranges, the layer's salt and
the holdout, half of them behind a rule. The peer is the plain loop, measured in the same run on a
part and scaled: read each exposure, decide each subject before and after by the engine. The answers
of four experiments are checked against the engine for every subject that the log knows.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import resource
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fairlot.engine import (
    Audience,
    CompiledManifest,
    Context,
    Experiment,
    Holdout,
    Layer,
    LayerRange,
    Manifest,
    Reason,
    Unit,
    Variant,
    compile_manifest,
    decide,
)
from fairlot.events import Assignment, Exposure, new_event_id
from fairlot.service.effects import Effects, effects_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import KnownFigure
from fairlot.warehouse.log import read_exposures
from fairlot.warehouse.log_file import LogFile

AIM_S = 30.0
EXPERIMENTS = 50
FILES = 4
BATCH = 20_000
SUBJECTS_OF_ACCOUNT = 20
NAIVE_EXPOSURES = 100_000
NAIVE_SUBJECTS = 2_000
CHECKED = ("exp-0", "exp-1", "exp-2", "exp-9")
NOW_MS = 1_795_000_000_000
SINCE_MS = NOW_MS - 20 * 86_400_000
PROJECT = "prj_01KB9Z1QJ0000000000000000"
ATTRIBUTES = {"tier": "pro"}

Pairs = Counter[tuple[str | None, str | None]]


def variants(first: int, second: int) -> tuple[Variant, ...]:
    return Variant("control", "var_control", weight=first), Variant(
        "blue", "var_blue", weight=second
    )


def experiment(number: int, first: int, second: int) -> Experiment:
    """Every tenth is by account, and every other has a rule."""
    return Experiment(
        f"exp-{number}",
        f"exp-{number}",
        variants(first, second),
        id=f"exp_01KB9Z1QJ00000000000000{number:03d}",
        unit=Unit.ACCOUNT if number % 10 == 9 else Unit.SUBJECT,
        audience=Audience(rule=ATTRIBUTES if number % 2 else {}, sample_rate_bp=9_000),
        layer=LayerRange("page", 100 * number, 5_000 + 100 * number) if number % 5 == 4 else None,
    )


def shown_by() -> Manifest:
    """What everything in the log was drawn by: everybody is in everything."""
    everyone = (
        replace(experiment(number, 8_000, 2_000), audience=Audience(), layer=None)
        for number in range(EXPERIMENTS)
    )
    return Manifest("bench", "bench", 1, "", tuple(everyone))


def live() -> Manifest:
    return Manifest(
        "bench",
        "bench",
        2,
        "",
        tuple(experiment(number, 5_000, 5_000) for number in range(EXPERIMENTS)),
        Holdout("main", "holdout.main", 500),
        (Layer("page", "layer.page"),),
    )


def planned() -> Manifest:
    """Every experiment changes, in one of five ways, and all by the larger holdout."""

    def changed(number: int, before: Experiment) -> Experiment:
        ways = (
            {"variants": variants(6_000, 4_000)},
            {"variants": before.variants[::-1]},
            {"audience": replace(before.audience, sample_rate_bp=7_000)},
            {"recheck_audience": True, "variants": variants(4_000, 6_000)},
            {"layer": LayerRange("page", 0, 5_000)},
        )
        return replace(before, **ways[number % 5])

    before = live()
    return replace(
        before,
        experiments=tuple(
            changed(number, experiment(number, 5_000, 5_000)) for number in range(EXPERIMENTS)
        ),
        holdout=Holdout("main", "holdout.main", 1_000),
        layers=(Layer("page", "layer.again"),),
    )


def shown_in_file(file: int, exposures: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The subject and the experiment of each exposure: chance, the same each time."""
    chance = np.random.default_rng(file)
    count = exposures // FILES
    return chance.integers(0, exposures // 5, count), chance.integers(0, EXPERIMENTS, count)


def subject_of(number: int) -> str:
    return f"visitor-{number:09d}"


def unit_of(number: int, experiment_number: int) -> str:
    if experiment_number % 10 == 9:
        return f"account-{number // SUBJECTS_OF_ACCOUNT:07d}"
    return subject_of(number)


def by_server(file: int) -> bool:
    return file % 2 == 0


def build(directory: Path, exposures: int) -> None:
    started = time.perf_counter()
    directory.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(write_file, [directory] * FILES, range(FILES), [exposures] * FILES))
    size = sum(path.stat().st_size for path in directory.iterdir())
    print(f"log of {size / 1e9:.1f} GB built in {time.perf_counter() - started:.0f} s")


def write_file(directory: Path, file: int, exposures: int) -> None:
    log = LogFile(directory / f"worker-{file}.sqlite")
    rows = zip(*(each.tolist() for each in shown_in_file(file, exposures)), strict=True)
    compiled = compile_manifest(shown_by())
    at_ms = SINCE_MS
    while some := list(islice(rows, BATCH)):
        at_ms += 1
        shown = [exposure_of(compiled, subject, number, at_ms) for subject, number in some]
        assigned = sorted(
            map(assignment_of, shown), key=lambda one: (one.experiment_id, one.unit_id)
        )
        log.append(shown, assigned if by_server(file) else ())
    log.close()


def exposure_of(compiled: CompiledManifest, subject: int, number: int, at_ms: int) -> Exposure:
    unit = unit_of(subject, number)
    decision = decide(compiled, f"exp-{number}", unit, Context(account_id=unit))
    experiment, variant = decision.experiment, decision.variant
    if experiment is None or variant is None:
        raise SystemExit(f"wrong: exp-{number} gives {unit} no variant, though all are in it")
    return Exposure(
        new_event_id(at_ms),
        PROJECT,
        experiment.id,
        experiment.key,
        subject_of(subject),
        unit,
        variant.key,
        variant.id,
        1,
        1,
        Reason.BUCKET,
        at_ms,
        at_ms,
        device="desktop",
        url="https://shop.example/catalogue/shoes/running",
        source="assignments",
    )


def assignment_of(shown: Exposure) -> Assignment:
    return Assignment(
        shown.experiment_id, shown.experiment_key, shown.unit_id, shown.variant_key, 1, 0
    )


def check(effects: Effects, exposures: int) -> None:
    """Raise SystemExit unless the checked experiments are as the engine decides."""
    shown = [shown_in_file(file, exposures) for file in range(FILES)]
    subjects = np.unique(np.concatenate([each for each, _ in shown]))
    if effects.known is None or effects.known.subjects != len(subjects):
        raise SystemExit(f"wrong: {len(subjects)} subjects are known, not {effects.known}")
    found = {effect.experiment: effect for effect in effects.effects}
    engine = Engine()
    for key in CHECKED:
        number = int(key.removeprefix("exp-"))
        seen = np.unique(np.concatenate([each[of == number] for each, of in shown]))
        everyone = subjects if number % 2 == 0 else seen
        units = {unit_of(subject, number) for subject in everyone.tolist()}
        remembered = {unit_of(subject, number) for subject in seen.tolist()}
        for figure, memory in ((found[key].by_draw, set()), (found[key].after_sticky, remembered)):
            if pairs_of(figure) != engine.movers(key, units, memory):
                raise SystemExit(f"wrong: {key} is not as the engine decides")
    print(f"checked with the engine: {', '.join(CHECKED)}, for all subjects that the log knows")


def pairs_of(figure: KnownFigure | None) -> Pairs:
    pairs = () if figure is None else figure.pairs
    return Counter({(pair.before, pair.after): pair.subjects for pair in pairs})


class Engine:
    """Decides for one subject after the other."""

    def __init__(self) -> None:
        self.sides = compile_manifest(live()), compile_manifest(planned())
        self.shown_by = compile_manifest(shown_by())

    def movers(self, key: str, units: set[str], remembered: set[str]) -> Pairs:
        pairs: Pairs = Counter()
        for unit in units:
            context = Context(attributes=ATTRIBUTES, account_id=unit, now_ms=NOW_MS)
            if unit in remembered:
                drawn = decide(self.shown_by, key, unit, context).variant
                context.sticky = {} if drawn is None else {key: drawn.key}
            before, after = (decide(side, key, unit, context).variant for side in self.sides)
            pair = None if before is None else before.key, None if after is None else after.key
            if pair[0] != pair[1]:
                pairs[pair] += 1
        return pairs


def naive_s(directory: Path, exposures: int, subjects: int) -> float:
    """The plain loop over a part, scaled to all exposures and all subjects."""
    started = time.perf_counter()
    memory: dict[tuple[str, str], str] = {}
    for one in islice(read_exposures(directory, project_id=PROJECT), NAIVE_EXPOSURES):
        memory.setdefault((one.experiment_key, one.unit_id), one.variant_key)
    reading_s = (time.perf_counter() - started) / NAIVE_EXPOSURES * exposures
    engine = Engine()
    started = time.perf_counter()
    units = {subject_of(number) for number in range(NAIVE_SUBJECTS)}
    for number in range(EXPERIMENTS):
        engine.movers(f"exp-{number}", units, set())
        engine.movers(f"exp-{number}", units, units)
    return reading_s + (time.perf_counter() - started) / NAIVE_SUBJECTS * subjects


def measure(directory: Path, exposures: int) -> None:
    known = KnownSubjects.of_last_days(directory, PROJECT, NOW_MS)
    started, own_s, others_s = time.perf_counter(), time.process_time(), cpu_s_of_others()
    effects = effects_of(live(), planned(), known, now_ms=NOW_MS)
    took_s = time.perf_counter() - started
    if effects.known is None:
        raise SystemExit("wrong: the log was not read")
    subjects, accounts = effects.known.subjects, effects.known.accounts
    largest_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"plan of {len(effects.effects)} experiments: {took_s:.1f} s")
    print(f"  {exposures:,} exposures, {subjects:,} subjects, {accounts:,} accounts")
    print(
        f"  {time.process_time() - own_s:.1f} s of work in the process that asks,"
        f" {cpu_s_of_others() - others_s:.1f} s in the others, the largest of {largest_gb:.1f} GB"
    )
    check(effects, exposures)
    naive = naive_s(directory, exposures, subjects)
    print(f"the plain loop: {naive:.0f} s, {naive / took_s:.0f} x fairlot")
    print(verdict(f"{exposures:,} exposures under {AIM_S:.0f} s", took_s, "s", took_s < AIM_S))


def cpu_s_of_others() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def verdict(aim: str, value: float, unit: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'} {aim}: {value:.1f} {unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--exposures", type=int, default=10_000_000)
    parser.add_argument("--directory", type=Path, help="where the log is kept, and used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = (options.directory or Path(scratch)) / f"events-{options.exposures}"
        if not directory.exists():
            build(directory, options.exposures)
        measure(directory, options.exposures)


if __name__ == "__main__":
    main()
