"""Manifests for users' tests: from one line, from YAML, from files."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fairlot.engine import (
    Audience,
    Context,
    LayerRange,
    Reason,
    Status,
    compile_manifest,
    decide,
)
from fairlot.testing import (
    UnusableExperiments,
    experiment_of,
    manifest_from_files,
    manifest_from_yaml,
    manifest_of,
)

SHOP = Path(__file__).resolve().parents[3] / "examples" / "shop"

YAML = """
key: checkout
name: Checkout
layer: {key: page, start: 0, end: 5000}
variants: [{key: plain, name: Plain}, {key: control, name: Control}]
---
key: not-yet
name: Not yet
status: draft
variants: [{key: a, name: A}, {key: b, name: B}]
---
key: over
name: Over
status: completed
variants: [{key: a, name: A}, {key: b, name: B}]
---
key: rolled-out
name: Rolled out
status: completed
rollout: b
variants: [{key: a, name: A}, {key: b, name: B}]
"""


def test_manifest_of__lists_of_variants__drawn_evenly() -> None:
    compiled = compile_manifest(manifest_of({"checkout": ["control", "bold"]}))
    drawn = [decide(compiled, "checkout", f"s-{n}", Context()).variant for n in range(100)]
    keys = [variant.key for variant in drawn if variant is not None]
    assert len(keys) == 100 and 30 < keys.count("bold") < 70


def test_manifest_of__payloads_by_key__carried() -> None:
    (experiment,) = manifest_of({"price": {"control": 10, "lower": {"amount": 8}}}).experiments
    assert [variant.payload for variant in experiment.variants] == [10, {"amount": 8}]  # type: ignore[union-attr]


def test_manifest_of__ids_left_out__filled() -> None:
    (experiment,) = manifest_of({"checkout": ["control", "bold"]}, version=7).experiments
    assert experiment == manifest_of({"checkout": ["control", "bold"]}).experiments[0]
    assert experiment.id == "exp_checkout"  # type: ignore[union-attr]
    assert experiment.variants[1].id == "var_checkout_bold"  # type: ignore[union-attr]


def test_manifest_of__experiments__taken_as_they_are() -> None:
    paused = replace(experiment_of("cta", ["a", "b"]), status=Status.PAUSED, id="exp_own")
    layered = replace(experiment_of("menu", ["a", "b"]), layer=LayerRange("page", 0, 10))
    manifest = manifest_of([paused, layered])
    assert manifest.experiments[0].id == "exp_own"  # type: ignore[union-attr]
    assert [layer.salt for layer in manifest.layers] == ["layer.page"]


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ({"Checkout": ["a", "b"]}, "Checkout: key: 'Checkout': start with a lower-case letter"),
        ({"checkout": ["a"]}, "checkout: variants: 1: an experiment of type ab has 2 to 200"),
        ({"checkout": ["a", "a"]}, r"checkout: \['a', 'a'\]: each variant has its own key"),
        ({"checkout": "control"}, "checkout: 'control': write a list"),
        ({"checkout": []}, "checkout: variants: 0"),
        ([experiment_of("twice", ["a", "b"])] * 2, "twice: key: 'twice': use each key once"),
    ],
)
def test_manifest_of__what_a_server_refuses__refused_with_the_fix(
    experiments: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(UnusableExperiments, match=message):
        manifest_of(experiments)


def test_experiment_of__all_fields__set() -> None:
    experiment = experiment_of(
        "cta",
        ["plain", "control"],
        weights=[9000, 1000],
        rule={"tier": "pro"},
        manual_exposure=True,
        metadata={"slot": "top"},
    )
    assert [variant.weight for variant in experiment.variants] == [9000, 1000]
    assert [variant.is_control for variant in experiment.variants] == [False, True]
    assert experiment.audience == Audience(rule={"tier": "pro"})
    assert experiment.manual_exposure and experiment.metadata == {"slot": "top"}


def test_experiment_of__no_variant_keyed_control__the_first_is() -> None:
    assert experiment_of("cta", ["red", "blue"]).variants[0].is_control


@pytest.mark.parametrize("weights", [[10000], [1, 2, 9997]])
def test_experiment_of__weights_of_another_number__refused(weights: list[int]) -> None:
    with pytest.raises(UnusableExperiments, match="one weight to each of the 2 variants"):
        experiment_of("cta", ["a", "b"], weights=weights)


def test_manifest_from_yaml__every_status__what_a_server_serves() -> None:
    manifest = manifest_from_yaml(YAML)
    assert [experiment.key for experiment in manifest.experiments] == ["checkout", "rolled-out"]
    assert [layer.key for layer in manifest.layers] == ["page"]


def test_manifest_from_yaml__definitions__are_in_it() -> None:
    definitions = "---\n".join(
        [
            "kind: segment\nkey: pros\nrule: {tier: pro}\n",
            "kind: segment\nkey: unused\nrule: {tier: pro}\n",
            "kind: holdout\nkey: held\nrate: 0.1\n",
            "kind: layer\nkey: page\nsalt: other\n",
        ]
    )
    text = YAML.replace("name: Checkout\n", "name: Checkout\naudience: {segments: [pros]}\n", 1)
    manifest = manifest_from_yaml(f"{text}---\n{definitions}")
    assert [segment.key for segment in manifest.segments] == ["pros"]
    assert [layer.salt for layer in manifest.layers] == ["other"]
    assert manifest.holdout is not None
    assert manifest.holdout.salt == "holdout.default"


def test_manifest_from_yaml__what_only_a_server_decides__is_there_by_its_names() -> None:
    buyers = "kind: segment\nkey: buyers\nhistory: [{event: order}]\n"
    text = YAML.replace("name: Checkout\n", "name: Checkout\naudience: {segments: [buyers]}\n", 1)
    manifest = manifest_from_yaml(f"{text}---\n{buyers}")
    decision = decide(compile_manifest(manifest), "checkout", "anna", Context(history={}))
    assert decision.reason is Reason.SERVER_ONLY
    assert (manifest.segments, manifest.layers) == ((), ())


def test_manifest_from_yaml__problems__all_named_with_their_lines() -> None:
    with pytest.raises(UnusableExperiments) as caught:
        manifest_from_yaml("key: Bad\nname: 12\nvariant: []\n")
    assert "<text>:1: key" in str(caught.value)
    assert "<text>:3: variant" in str(caught.value)


def test_manifest_from_files__folder_or_file__read(tmp_path: Path) -> None:
    assert len(manifest_from_files(SHOP).experiments) > 1
    file = tmp_path / "some.yaml"
    file.write_text(YAML)
    assert [each.key for each in manifest_from_files(str(file)).experiments] == [
        "checkout",
        "rolled-out",
    ]


def test_manifest_from_files__file_without_the_metrics_it_names__refused() -> None:
    with pytest.raises(UnusableExperiments, match=r'"ordered": no such metric'):
        manifest_from_files(SHOP / "checkout-button.yaml")


def test_manifest_from_files__not_there__refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableExperiments, match="nowhere"):
        manifest_from_files(tmp_path / "nowhere")


def test_manifest_from_yaml__no_pyyaml__says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("fairlot.manifest.")]:
        if name.rpartition(".")[2] in ("yaml_reader", "yaml_scalars", "experiment_reader"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UnusableExperiments, match=r"pip install 'fairlot\[server\]'"):
        manifest_from_yaml(YAML)
