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
    """One case, with the kind of its file and its file's manifest beneath its own."""

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
    shared = document.get("manifest")
    for case in document["cases"]:
        if shared is not None:
            case = {**case, "manifest": {**shared, **case["manifest"]}}
        yield Vector(document["kind"], path, case)


def all_vectors() -> list[Vector]:
    return [vector for entry in index()["files"] for vector in vectors_of(entry)]


def vector_params() -> list[Any]:
    """One parameter a vector, named `<file>: <case>` in ASCII."""
    return [
        pytest.param(vector, id=f"{Path(vector.path).stem}: {vector.case['name']}")
        for vector in all_vectors()
    ]
