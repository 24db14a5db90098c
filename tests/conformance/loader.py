"""Loads the vectors of conformance/ as pytest parameters."""

import json
from collections.abc import Iterator, Mapping
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


def vector_params(*areas: str) -> list[Any]:
    """One parameter a vector of these directories, named `<file>: <case>` in ASCII."""
    return [
        pytest.param(vector, id=f"{Path(vector.path).stem}: {vector.case['name']}")
        for vector in all_vectors()
        if Path(vector.path).parts[0] in areas
    ]


def cases_in(*areas: str) -> int:
    """How many the index tells."""
    entries = index()["files"]
    return sum(entry["cases"] for entry in entries if Path(entry["path"]).parts[0] in areas)


def kinds_in(*areas: str) -> set[str]:
    return {entry["kind"] for entry in index()["files"] if Path(entry["path"]).parts[0] in areas}
