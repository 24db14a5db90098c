"""Experiments of all types of value, served for providers of OpenFeature."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from hashlib import sha256
from pathlib import Path

import pytest

from support.processes import ServerProcess, fairlot, published, serving

PAYLOADS = {
    "boolean": "true",
    "text": "red",
    "integer": "3",
    "float": "1.0",
    "object": "{color: red, sizes: [1, 2.0]}",
    "list": "[1, b]",
    "plain": "null",
}
NOBODY = """
key: nobody
name: Nobody is sampled
sampleRate: 0
variants: [{key: a, name: A}, {key: b, name: B}]
"""
PAUSED = """
key: resting
name: Paused
status: paused
variants: [{key: a, name: A}, {key: b, name: B}]
"""
PROS = """
key: pros
name: For pros
audience: {rule: {tier: pro}}
variants:
  - {key: "off", name: Off, weight: 0}
  - {key: "on", name: On, weight: 10000, payload: for pros}
"""
CLIENTS = Path(__file__).parents[1] / "clients"


@dataclass(frozen=True, slots=True)
class Flags:
    """`key` is an API key that may decide."""

    server: ServerProcess
    key: str


@contextmanager
def serving_flags(root: Path, tier: str | None = None) -> Iterator[Flags]:
    experiments = root / "experiments"
    experiments.mkdir()
    for key, payload in PAYLOADS.items():
        (experiments / f"{key}.yaml").write_text(_experiment(key, payload))
    for name, text in (("nobody", NOBODY), ("resting", PAUSED), ("pros", PROS)):
        (experiments / f"{name}.yaml").write_text(text)
    published(root / "data", experiments)
    words = ("keys", "create", "--scope", "decide", "--data", str(root / "data"))
    key = fairlot(*words)["key"]
    with serving(root / "data", FAIRLOT_THROTTLE_TIER=tier) as server:
        yield Flags(server, key)


def _experiment(key: str, payload: str) -> str:
    given = "" if payload == "null" else f", payload: {payload}"
    return f"""
key: {key}
name: {key.title()}
variants:
  - {{key: "off", name: "Off", weight: 0}}
  - {{key: "on", name: "On", weight: 10000{given}}}
"""


def node_packages() -> None:
    """Install what tests/clients/package.json names, once for all workers, beside it. Without npm
    or a registry the test is skipped; in CI it fails."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        _missing("needs Node 18.19 or newer with npm: `apt-get install nodejs npm`")
    wanted = sha256((CLIENTS / "package.json").read_bytes()).hexdigest()
    packages = CLIENTS / "node_modules"
    packages.mkdir(exist_ok=True)
    with (packages / ".installing").open("w") as lock:
        flock(lock, LOCK_EX)
        installed = packages / ".installed"
        if installed.exists() and installed.read_text() == wanted:
            return
        flags = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")
        ran = subprocess.run(
            [npm or "", "install", *flags],
            cwd=CLIENTS,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        if ran.returncode != 0:
            _missing(f"npm could not install the packages: {ran.stderr[-500:]}")
        installed.write_text(wanted)


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
