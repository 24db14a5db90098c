"""Experiment files of a few lines, and what reading them gives."""

from fairlot.engine import (
    Segment,
)
from fairlot.manifest.experiment_files import read_experiments
from fairlot.manifest.spec import ExperimentSpec

HEAD = "key: e\nname: E\n"
VARIANTS = "variants:\n  - {key: a, name: A}\n  - {key: b, name: B}\n"
LINE = 3
"""The line on which what a test adds between HEAD and VARIANTS begins."""


def spec_of(text: str, *segments: Segment) -> ExperimentSpec:
    specs, problems = read_experiments(text, "f.yaml", segments=segments)
    assert list(map(str, problems)) == []
    (spec,) = specs
    return spec


def with_lines(lines: str, *segments: Segment) -> ExperimentSpec:
    return spec_of(f"{HEAD}{lines}\n{VARIANTS}", *segments)


def problems_of(text: str, *segments: Segment) -> list[str]:
    specs, problems = read_experiments(text, "f.yaml", segments=segments)
    assert specs == ()
    return [str(problem).removeprefix("f.yaml:") for problem in problems]


def problems_with(lines: str, *segments: Segment) -> list[str]:
    return problems_of(f"{HEAD}{lines}\n{VARIANTS}", *segments)


def problems_of_variants(*variants: str, head: str = HEAD) -> list[str]:
    return problems_of(head + "variants:\n" + "".join(f"  - {variant}\n" for variant in variants))
