"""What importing the SDK loads."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

import fairlot

LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_by(statement: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-c", statement + "; " + LOADED],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    loaded: list[str] = json.loads(ran.stdout)
    return loaded


def server_packages() -> set[str]:
    """The top modules of what `fairlot[server]` installs beyond the SDK."""
    wanted = [text.partition(";") for text in requires("fairlot") or ()]
    names = {
        re.split(r"[^A-Za-z0-9._-]", name)[0].lower()
        for name, _, marker in wanted
        if re.search(r"extra == ['\"]server['\"]", marker)
    }
    return {
        module
        for module, distributions in packages_distributions().items()
        if names & {name.lower() for name in distributions}
    }


def found_in(loaded: list[str], packages: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in loaded} & packages


def test_search__planted_package__found() -> None:
    packages = server_packages()
    assert {"click", "structlog", "sqlalchemy", "uvicorn", "yaml"} <= packages
    assert found_in(loaded_by("import click"), packages) == {"click"}


@pytest.mark.parametrize(
    "statement",
    ["from fairlot import *", "import fairlot.manifest", "import fairlot.events"],
)
def test_import__sdk__no_server_package(statement: str) -> None:
    loaded = loaded_by(statement)
    assert ("fairlot.sdk.client" in loaded) is ("*" in statement)
    assert found_in(loaded, server_packages()) == set()


def test_import__fairlot_alone__loads_none_of_it_until_a_name_is_asked_for() -> None:
    assert "fairlot.engine" not in loaded_by("import fairlot")
    assert set(fairlot.__all__) == set(fairlot._HOMES) <= set(dir(fairlot))
    with pytest.raises(AttributeError, match="'Klient'"):
        _ = fairlot.Klient  # type: ignore[attr-defined]


def test_import__fairlot__nothing_that_is_slow_and_needed_later() -> None:
    late = {"joserfc", "cryptography", "ssl", "asyncio", "multiprocessing"}
    loaded = loaded_by("from fairlot import *")
    assert found_in(loaded, late) == set()
    assert {"http.client", "urllib.request"} & set(loaded) == set()


def test_import__fairlot__starts_no_thread_and_opens_nothing() -> None:
    program = (
        "import threading; from fairlot import Client; Client('https://m.example/v1/a/manifest.json');"
        " assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=180)
