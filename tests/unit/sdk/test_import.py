"""What `import fairlot` loads."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest

LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_by(*modules: str) -> list[str]:
    words = [f"import {module}; " for module in modules]
    ran = subprocess.run(
        [sys.executable, "-c", "".join(words) + LOADED],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
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
    assert found_in(loaded_by("click"), packages) == {"click"}


@pytest.mark.parametrize(
    "module", ["fairlot", "fairlot.manifest", "fairlot.events", "fairlot.sdk.client"]
)
def test_import__sdk__no_server_package(module: str) -> None:
    assert found_in(loaded_by(module), server_packages()) == set()


def test_import__fairlot__nothing_that_is_slow_and_needed_later() -> None:
    late = {"joserfc", "cryptography", "ssl", "asyncio", "multiprocessing"}
    loaded = loaded_by("fairlot")
    assert found_in(loaded, late) == set()
    assert {"http.client", "urllib.request"} & set(loaded) == set()


def test_import__fairlot__starts_no_thread_and_opens_nothing() -> None:
    program = (
        "import threading, fairlot; fairlot.Client('https://m.example/v1/a/manifest.json');"
        " assert threading.active_count() == 1"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
