"""The vectors themselves: valid, indexed, frozen, complete, and agreed on by the reference."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from make_preview_vectors import preview_files

from .loader import ROOT, all_vectors, index, read_json, vector_paths

VECTORS = all_vectors()
SCHEMA = read_json("schema/vectors.schema.json")
VALIDATOR = Draft202012Validator(SCHEMA)

# Written out from RULES sections 2 and 3 and from C4.
REASONS = [
    "unknown",
    "invalid",
    "server_only",
    "preview",
    "excluded",
    "scheduled",
    "paused",
    "ended",
    "audience",
    "holdout",
    "layer",
    "divert",
    "sticky",
    "sample",
    "adapter",
    "bucket",
    "recipe",
    "no_unit",
]
OPERATORS = [
    "$and",
    "$or",
    "$nor",
    "$not",
    "$eq",
    "$ne",
    "$lt",
    "$lte",
    "$gt",
    "$gte",
    "$in",
    "$nin",
    "$ini",
    "$nini",
    "$all",
    "$alli",
    "$exists",
    "$size",
    "$elemMatch",
    "$regex",
    "$regexi",
    "$notRegex",
    "$notRegexi",
    "$type",
    "$veq",
    "$vne",
    "$vlt",
    "$vlte",
    "$vgt",
    "$vgte",
    "$inGroup",
    "$notInGroup",
]
QUERY_OPERATORS = ["equals", "not_equals", "contains", "exists", "not_exists", "regex"]
# RULES P2, in the order of its table.
PREVIEW_REASONS = [
    "too_large",
    "malformed",
    "wrong_type",
    "wrong_algorithm",
    "unsupported_header",
    "unknown_key",
    "bad_signature",
    "wrong_issuer",
    "wrong_audience",
    "wrong_subject",
    "not_yet_valid",
    "expired",
    "too_long",
    "revoked",
]
# Each is run by one module beside this one.
AREAS = ["audience", "decide", "hashing", "preview", "server", "stats", "sticky"]
PURPOSES = ["sample", "variant", "layer", "holdout", "control"]


def keys_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_in(inner)


def test_schema_of_vectors__itself__valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", vector_paths())
def test_vector_file__against_the_schema__valid(path: str) -> None:
    errors = VALIDATOR.iter_errors(read_json(path))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("path", vector_paths())
def test_vector_file__case_names__unique(path: str) -> None:
    names = [case["name"] for case in read_json(path)["cases"]]
    assert sorted(set(names)) == sorted(names)


def test_index__against_the_directories__same_files_and_total() -> None:
    files = index()["files"]
    assert [entry["path"] for entry in files] == vector_paths()
    assert index()["total"] == sum(entry["cases"] for entry in files) == len(VECTORS)


def test_frozen_vectors__checksums__unchanged() -> None:
    lines = (ROOT / "frozen.sha256").read_text(encoding="ascii").splitlines()
    frozen = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    found = {
        path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
        for path in vector_paths()
        if path.startswith("hashing/")
    }
    assert found == frozen


@pytest.mark.parametrize("operator", OPERATORS)
def test_condition_operator__in_the_vectors__both_outcomes(operator: str) -> None:
    outcomes = {
        vector.case["expected"]
        for vector in VECTORS
        if vector.kind == "condition" and operator in keys_in(vector.case["rule"])
    }
    assert outcomes == {True, False}


@pytest.mark.parametrize("operator", QUERY_OPERATORS)
def test_query_operator__in_the_vectors__both_outcomes(operator: str) -> None:
    outcomes = {
        vector.case["expected"]
        for vector in VECTORS
        if vector.kind == "query"
        and operator in [clause["operator"] for clause in vector.case["conditions"]]
    }
    assert outcomes == {True, False}


@pytest.mark.parametrize("reason", REASONS)
def test_reason__in_the_decide_vectors__expected_somewhere(reason: str) -> None:
    reasons = {vector.case["expected"]["reason"] for vector in VECTORS if vector.kind == "decide"}
    assert reason in reasons
    assert reasons <= set(REASONS)


def test_preview_reasons__in_the_token_vectors__all() -> None:
    cases = [vector.case for vector in VECTORS if vector.kind == "preview_token"]
    reasons = {case["reason"] for case in cases if "reason" in case}
    assert sorted(reasons) == sorted(PREVIEW_REASONS)


def test_preview_vectors__made_again__same_bytes() -> None:
    written = {path.name: path.read_text() for path in (ROOT / "preview").glob("*.json")}
    assert preview_files() == written


def test_areas__directories__each_run_by_a_test() -> None:
    assert sorted({path.split("/")[0] for path in vector_paths()}) == AREAS


def test_purposes__in_the_hash_vectors__all() -> None:
    purposes = {vector.case["purpose"] for vector in VECTORS if vector.kind == "hash"}
    assert purposes >= set(PURPOSES)
    assert any(purpose.startswith("recipe.") for purpose in purposes)


def test_vector_files__bytes__ascii_with_a_final_newline() -> None:
    for path in vector_paths():
        data = (ROOT / path).read_bytes()
        assert data.isascii() and data.endswith(b"}\n")
        json.loads(data)


def test_reference_evaluator__all_vectors__agrees() -> None:
    script = ROOT.parent / "tools" / "reference_evaluator.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(VECTORS)} of {len(VECTORS)} vectors agree" in done.stdout
