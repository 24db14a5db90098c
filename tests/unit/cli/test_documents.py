"""The pages that say what the program is must say what it is."""

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest

import fairlot.cli
from fairlot.cli.commands import COMMANDS
from fairlot.manifest.schema import schema_document
from fairlot.service.actors import Scope
from fairlot.settings import load_settings, variable_of
from support.commands import SHOP, Run

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = runpy.run_path(str(ROOT / "docs" / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_reference__generated_page__is_what_the_code_says(name: str) -> None:
    written = (ROOT / name).read_text("utf-8")
    assert written == PAGES[name](), "run python docs/generate.py"


def test_shop__in_examples__is_the_one_in_the_package() -> None:
    assert SHOP.resolve() == Path(fairlot.cli.__file__).parent / "shop"


def test_readme__every_command__is_in_its_table() -> None:
    (table,) = re.findall(r"^\| command \| does \|\n(.*?)\n\n", README, re.DOTALL | re.MULTILINE)
    named = [code.removeprefix("fairlot ").split()[0] for code in re.findall(r"`([^`]+)`", table)]
    assert set(COMMANDS) - set(named) == set()


def test_readme__experiment__is_valid(run: Run, tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "readme").mkdir()
    (tmp_path / "readme" / "experiment.yaml").write_text(text, "utf-8")
    ran = run("validate", "readme")
    assert ran.code == 0, ran.err


def words_of_reference(name: str) -> set[str]:
    text = (ROOT / "docs" / "reference" / name).read_text("utf-8")
    return {word for code in re.findall(r"`([^`\n]+)`", text) for word in re.split(r"[ .]", code)}


def names_in(schema: Any) -> set[str]:
    """Every field and every choice that a JSON Schema knows."""
    if isinstance(schema, list):
        return {name for each in schema for name in names_in(each)}
    if not isinstance(schema, dict):
        return set()
    own = {each for each in schema.get("enum", ()) if isinstance(each, str)}
    own.update(schema.get("properties", ()))
    return own.union(*map(names_in, schema.values()))


def test_reference__every_field_operator_and_choice__is_there() -> None:
    words = words_of_reference("experiments.md") | words_of_reference("definitions.md")
    assert names_in(schema_document()) - words == set()


def test_operations_page__every_scope__is_there() -> None:
    assert set(map(str, Scope)) <= words_of_reference("operations.md")


def test_readme__python__fails_open_and_compiles() -> None:
    ours, http = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for text in (ours, http):
        compile(text, "README.md", "exec")
    assert "except OursPrivacyError:" in http


def test_readme__variables__are_settings() -> None:
    for variable, value in re.findall(r"(FAIRLOT_\w+)=(\w+)", README):
        load_settings(None, {variable: value}, {})
        assert variable == variable_of(variable.removeprefix("FAIRLOT_").lower())


def linked_files(page: Path) -> list[Path]:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    return [page.parent / target for target in targets]


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_page__links_to_files__which_exist(page: Path) -> None:
    assert [str(file) for file in linked_files(page) if not file.exists()] == []


def test_decisions__every_record__is_short_and_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for record in folder.glob("0*.md"):
        assert record.name in index
        assert record.read_text("utf-8").count("\n") <= 60


def test_version__in_pyproject__is_in_the_readme() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"Version {version.rpartition('.')[0]} " in README
