"""YAML files as they lie in a folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlot.manifest.nodes import MAX_TEXT_BYTES
from fairlot.manifest.problems import SpecProblem

SUFFIXES: Final = frozenset({".yaml", ".yml"})
# A change is planned and kept in one transaction, and every other change waits for it.
AT_ONCE_BYTES: Final = 4 * 1024 * 1024
"""The most that is planned or applied at once, as JSON."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """`path` is what messages call it."""

    path: str
    text: str


def read_source_files(
    directory: Path,
) -> tuple[tuple[SourceFile, ...], tuple[SpecProblem, ...]]:
    """All `*.yaml` and `*.yml` files under `directory` in order of their paths, and what cannot be
    read.

    A file in place of the directory is read whatever its name. Names that begin with a dot are left
    out, and linked folders are not entered.
    """
    try:
        paths = [directory] if directory.is_file() else sorted(_yaml_files(directory))
    except OSError as error:
        return (), (_unreadable(error.filename, _reason_of(error)),)
    read = [_read_file(path) for path in paths]
    return (
        tuple(each for each in read if isinstance(each, SourceFile)),
        tuple(each for each in read if isinstance(each, SpecProblem)),
    )


def _yaml_files(directory: Path) -> Iterator[Path]:
    for entry in directory.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _yaml_files(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _read_file(path: Path) -> SourceFile | SpecProblem:
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
        return SourceFile(str(path), content.decode())
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(path, "not UTF-8; save the file as UTF-8", line)


def _unreadable(path: object, message: str, line: int = 1) -> SpecProblem:
    return SpecProblem(str(path), line, "", "", message)


def _reason_of(error: OSError) -> str:
    return f"{error.strerror}; check the path and its permissions"
