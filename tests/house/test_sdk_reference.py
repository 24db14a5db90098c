"""docs/reference/sdk.md names every option and method, and only tests that are there."""

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import fairlot
from fairlot import Client

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "sdk.md").read_text()
NAMED_TESTS = sorted(set(re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)))
OPTIONS = [name for name in inspect.signature(Client.__init__).parameters if name != "self"]
METHODS = [name for name in dir(Client) if not name.startswith("_")]


@cache
def names_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    found = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, functions))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def test_names_in__this_file__finds_its_own() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    assert "test_names_in__this_file__finds_its_own" in names_in(here)


@pytest.mark.parametrize(("path", "name"), NAMED_TESTS)
def test_sdk_reference__test_that_it_names__exists(path: str, name: str) -> None:
    assert name in names_in(path)


def test_sdk_reference__names_of_tests__all_written_out() -> None:
    assert len(NAMED_TESTS) > 50
    assert PAGE.count("`tests/") == len(re.findall(r"`tests/[\w/.]+\.py(?:::\w+)?`", PAGE))


@pytest.mark.parametrize("name", OPTIONS)
def test_sdk_reference__option__described(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", METHODS)
def test_sdk_reference__method__described(name: str) -> None:
    assert f"`{name}(" in PAGE


@pytest.mark.parametrize("name", fairlot.__all__)
def test_sdk_reference__public_name__mentioned(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)
