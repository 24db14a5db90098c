"""Experiment files: one text, or a folder of them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fairlot.engine import Segment
from fairlot.manifest.nodes import MAX_TEXT_BYTES, shown_value
from fairlot.manifest.problems import Problems, SpecProblem
from fairlot.manifest.spec import ExperimentSpec

SUFFIXES: Final = frozenset({".yaml", ".yml"})


def read_experiments(
    text: str, file: str, *, segments: Sequence[Segment] = ()
) -> tuple[tuple[ExperimentSpec, ...], tuple[SpecProblem, ...]]:
    """The experiments of a YAML text, one a document, and every problem of the text at once.

    An experiment with a problem is not among the first. `segments` are those that the project has.
    """
    # PyYAML belongs to the server; a client that only decides has none.
    from fairlot.manifest.experiment_reader import read_experiment
    from fairlot.manifest.yaml_reader import read_documents

    problems = Problems(file)
    documents = read_documents(text, problems)
    specs = [read_experiment(document, problems, segments) for document in documents]
    read = tuple(spec for spec in specs if spec is not None)
    found = [*problems.found, *_shared_keys(read)]
    return read, tuple(sorted(found, key=lambda problem: problem.line))


def read_directory(
    directory: Path, *, segments: Sequence[Segment] = ()
) -> tuple[tuple[ExperimentSpec, ...], tuple[SpecProblem, ...]]:
    """The experiments of all `*.yaml` and `*.yml` files under `directory`, in order of their paths.

    A file in place of the directory is read whatever its name. Names that begin with a dot are left
    out, and linked folders are not entered.
    """
    specs: list[ExperimentSpec] = []
    problems: list[SpecProblem] = []
    try:
        paths = [directory] if directory.is_file() else sorted(_experiment_files(directory))
    except OSError as error:
        return (), (_unreadable(error.filename, _reason_of(error)),)
    for path in paths:
        text = _read_text(path)
        if isinstance(text, SpecProblem):
            problems.append(text)
            continue
        found, wrong = read_experiments(text, str(path), segments=segments)
        specs += found
        problems += wrong
    problems += [problem for problem in _shared_keys(specs) if problem not in problems]
    return tuple(specs), tuple(problems)


def _experiment_files(directory: Path) -> Iterator[Path]:
    for entry in directory.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _experiment_files(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _read_text(path: Path) -> str | SpecProblem:
    if not path.is_file():
        return _unreadable(path, "not a regular file, or a broken link; remove it")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        return _unreadable(path, _reason_of(error))
    if len(content) > MAX_TEXT_BYTES:
        return _unreadable(path, "over 1 MiB of text; split the file")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(path, "not UTF-8; save the file as UTF-8", line)


def _unreadable(path: object, message: str, line: int = 1) -> SpecProblem:
    return SpecProblem(str(path), line, "", "", message)


def _reason_of(error: OSError) -> str:
    return f"{error.strerror}; check the path and its permissions"


def _shared_keys(specs: Iterable[ExperimentSpec]) -> Iterator[SpecProblem]:
    first: dict[str, ExperimentSpec] = {}
    for spec in specs:
        key = spec.experiment.key
        if key in first:
            place = f"{first[key].file}:{first[key].line}"
            message = f"already the key of the experiment at {place}; give this one its own"
            yield SpecProblem(spec.file, spec.line, "key", shown_value(key), message)
        first.setdefault(key, spec)
