"""Loads the vectors of conformance/, and runs those of a file."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

ROOT = Path(__file__).resolve().parents[2] / "conformance"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Vector:
    """One case, with the kind of its file and what its file shares beneath its own."""

    kind: str
    path: str
    case: Json


def read_json(path: str) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads((ROOT / path).read_text(encoding="utf-8")))


def index() -> dict[str, Any]:
    return read_json("index.json")


def vector_paths() -> list[str]:
    """What lies in the directories, whether the index knows it or not."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*__*.json"))


def vectors_of(entry: Json) -> Iterator[Vector]:
    """The cases of one file; AssertionError where the index tells another number or kind."""
    path = entry["path"]
    document = read_json(path)
    assert document["kind"] == entry["kind"], f"{path}: the index has another kind"
    assert len(document["cases"]) == entry["cases"], f"{path}: the index has another number"
    manifest = document.get("manifest")
    shared = document.get("shared", {})
    for case in document["cases"]:
        if manifest is not None:
            case = {**case, "manifest": {**manifest, **case["manifest"]}}
        case = {**shared, **case}
        yield Vector(document["kind"], path, case)


def all_vectors() -> list[Vector]:
    return [vector for entry in index()["files"] for vector in vectors_of(entry)]


def file_params(*areas: str) -> list[Any]:
    """One parameter a file: a test for each of 2,600 cases would cost more than the cases."""
    entries = [entry for entry in index()["files"] if Path(entry["path"]).parts[0] in areas]
    return [pytest.param(entry, id=Path(entry["path"]).stem) for entry in entries]


def disagreements(entry: Json, checks: Mapping[str, Callable[[Json], None]]) -> dict[str, str]:
    """What does not hold, by the names of the cases of one file."""
    found = {}
    for vector in vectors_of(entry):
        try:
            checks[vector.kind](vector.case)
        except AssertionError as error:
            found[vector.case["name"]] = str(error)
        except BaseException as error:
            error.add_note(f"case: {vector.case['name']}")
            raise
    return found


def kinds_in(*areas: str) -> set[str]:
    return {entry["kind"] for entry in index()["files"] if Path(entry["path"]).parts[0] in areas}
