"""The house rules that no linter knows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "fairlot").rglob("*.py"))
MAX_LINES = 500
MAX_FUNCTION_LINES = 60
# Nothing here has a clock, chance, a file, a socket or a log.
ENGINE_MAY_IMPORT = {
    "bisect",
    "collections.abc",
    "contextlib",
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "ipaddress",
    "itertools",
    "mmh3",
    "msgspec",
    "re",
    "re2",
    "typing",
    "weakref",
    "urllib.parse",
}


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def foreign_imports(source: str) -> set[str]:
    """What a module of the engine imports beyond the engine and the allowed modules."""
    names = set(imports_of(ast.parse(source)))
    return {
        name
        for name in names
        if name not in ENGINE_MAY_IMPORT and not name.startswith("fairlot.engine")
    }


def long_functions(source: str) -> list[str]:
    functions = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return [
        node.name
        for node in functions
        if (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]


@pytest.mark.parametrize(
    "line", ["import time", "from os import path", "from fairlot.store import x"]
)
def test_engine_imports__planted_import__found(line: str) -> None:
    assert foreign_imports(line)


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if path.is_relative_to(ROOT / "src" / "fairlot" / "engine")],
    ids=lambda path: path.stem,
)
def test_engine_imports__every_module__only_allowed(path: Path) -> None:
    assert foreign_imports(path.read_text()) == set()


def test_long_functions__planted_one__found() -> None:
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION_LINES))
    assert long_functions(f"def planted():\n{body}\n") == ["planted"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_sources__every_module__short(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= MAX_LINES
    assert long_functions(source) == []
