"""YAML texts of a few lines, and what reading them gives."""

from pathlib import Path

from jsonschema import Draft7Validator

from fairlot.manifest.definitions import NOTHING_KNOWN, Definition, KnownDefinitions
from fairlot.manifest.documents import Documents, read_files
from fairlot.manifest.nodes import json_value
from fairlot.manifest.problems import Problems, SpecProblem
from fairlot.manifest.schema import schema_document
from fairlot.manifest.source_files import SourceFile, read_source_files
from fairlot.manifest.spec import ExperimentSpec
from fairlot.manifest.yaml_reader import read_documents

HEAD = "key: e\nname: E\n"
VARIANTS = "variants:\n  - {key: a, name: A}\n  - {key: b, name: B}\n"
LINE = 3
"""The line on which what a test adds between HEAD and VARIANTS begins."""


_ONE_OF_MANY = """
key: exp-{number}
name: Experiment {number}
audience:
  rule: {{tier: {{$in: [gold, silver]}}, age: {{$gte: {number}}}}}
  urlPatterns: [/page-{number}, /section/{number}/**]
variants:
  - {{key: control, name: Control}}
  - {{key: treatment, name: Treatment, payload: {{headline: Headline {number}, show: true}}}}
"""
SCHEMA = Draft7Validator(schema_document())


def many(count: int) -> str:
    """Experiments with rules, URL patterns and payloads, in one file."""
    return "---".join(_ONE_OF_MANY.format(number=number) for number in range(count))


def read_text(
    text: str, file: str = "f.yaml", *, known: KnownDefinitions = NOTHING_KNOWN
) -> tuple[Documents, tuple[SpecProblem, ...]]:
    """What a text says; one without a problem is valid by the JSON Schema too."""
    documents, problems = read_files([SourceFile(file, text)], known)
    if not problems:
        for document in read_documents(text, Problems(file)):
            SCHEMA.validate(json_value(document.root))
    return documents, problems


def read_experiments(
    text: str, file: str = "f.yaml"
) -> tuple[tuple[ExperimentSpec, ...], tuple[SpecProblem, ...]]:
    documents, problems = read_text(text, file)
    return documents.experiments, problems


def read_folder(path: Path) -> tuple[tuple[ExperimentSpec, ...], tuple[SpecProblem, ...]]:
    files, unreadable = read_source_files(path)
    documents, problems = read_files(files)
    return documents.experiments, (*unreadable, *problems)


def spec_of(text: str, *known: Definition) -> ExperimentSpec:
    documents, problems = read_text(text, known=KnownDefinitions(known))
    assert list(map(str, problems)) == []
    (spec,) = documents.experiments
    return spec


def with_lines(lines: str, *known: Definition) -> ExperimentSpec:
    return spec_of(f"{HEAD}{lines}\n{VARIANTS}", *known)


def problems_of(text: str, *known: Definition) -> list[str]:
    documents, problems = read_text(text, known=KnownDefinitions(known))
    assert documents == Documents()
    return [str(problem).removeprefix("f.yaml:") for problem in problems]


def problems_with(lines: str, *known: Definition) -> list[str]:
    return problems_of(f"{HEAD}{lines}\n{VARIANTS}", *known)


def problems_of_variants(*variants: str, head: str = HEAD) -> list[str]:
    return problems_of(head + "variants:\n" + "".join(f"  - {variant}\n" for variant in variants))
