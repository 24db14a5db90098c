"""The example of what experiments share: its commands, and what comes of its documents."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import CompiledManifest, Context, Reason, compile_manifest, decide
from fairlot.testing import manifest_from_files
from support.commands import Run

EXAMPLE = Path(__file__).parents[3] / "examples" / "control-plane"
REGULAR = {"orders": 7, "email": "mary@home.example"}
SUBJECTS = [f"visitor-{number}" for number in range(400)]


@pytest.fixture(scope="module")
def compiled() -> CompiledManifest:
    return compile_manifest(manifest_from_files(EXAMPLE / "experiments"))


def reasons_of(compiled: CompiledManifest, key: str, attributes: dict[str, Any]) -> set[Reason]:
    context = Context(attributes=attributes, url="https://shop.example/checkout/pay")
    return {decide(compiled, key, subject, context).reason for subject in SUBJECTS}


def test_validate__of_every_kind__counts_them(run: Run) -> None:
    ran = run("validate", EXAMPLE / "experiments")
    assert (ran.code, ran.out) == (
        0,
        "2 experiment(s), 1 layer(s), 3 segment(s), 1 holdout(s), 2 metric(s), no problems.\n",
    )
    document = run("validate", EXAMPLE / "experiments", "--json").json
    assert document["experiments"] == ["one-page-checkout", "payment-order"]
    assert {"kind": "holdout", "key": "always-out"} in document["definitions"]


def test_example__commands_of_the_readme__run(run: Run) -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))
    commands = re.findall(r"\.venv/bin/fairlot (.*)", blocks)
    assert len(commands) == 4
    for command in commands:
        words = command.replace("examples/control-plane", str(EXAMPLE))
        ran = run(*shlex.split(words))
        assert ran.code == 0, ran.err
    assert "segment" in ran.out
    assert "shop.example" not in ran.out


def test_example__regular__is_in_one_experiment_of_the_layer_or_held(
    compiled: CompiledManifest,
) -> None:
    context = Context(attributes=REGULAR, url="https://shop.example/checkout/pay")
    for subject in SUBJECTS:
        answers = {
            decide(compiled, key, subject, context).reason
            for key in ("one-page-checkout", "payment-order")
        }
        assert answers in ({Reason.HOLDOUT}, {Reason.BUCKET, Reason.LAYER})


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {**REGULAR, "orders": 1},
        {**REGULAR, "orders": 0},
        {**REGULAR, "email": "ada@shop.example"},
    ],
)
def test_example__who_is_no_regular__is_not_in_the_checkout(
    compiled: CompiledManifest, attributes: dict[str, Any]
) -> None:
    reasons = reasons_of(compiled, "one-page-checkout", attributes)
    assert reasons == {Reason.HOLDOUT, Reason.LAYER, Reason.AUDIENCE}


def test_example__staff__sees_no_payment_experiment(compiled: CompiledManifest) -> None:
    assert Reason.BUCKET in reasons_of(compiled, "payment-order", {})
    reasons = reasons_of(compiled, "payment-order", {"email": "grace@shop.example"})
    assert reasons == {Reason.HOLDOUT, Reason.LAYER, Reason.AUDIENCE}
