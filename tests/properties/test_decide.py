"""What holds of every decision, over random experiments and contexts."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlot.engine import (
    CompiledManifest,
    Context,
    Experiment,
    Manifest,
    Overrides,
    Reason,
    Variant,
    bucket_of,
    compile_manifest,
    decide,
    explain,
)

from .strategies import CONTEXTS, SUBJECT_IDS, manifests

pytestmark = pytest.mark.slow


def decided(manifest: Manifest, subject: str, context: Context) -> tuple[str | None, Reason]:
    decision = decide(compile_manifest(manifest), "e", subject, context)
    return decision.variant.key if decision.variant else None, decision.reason


@settings(max_examples=400)
@given(manifests(), SUBJECT_IDS, CONTEXTS)
def test_explain__any_experiment__same_decision_as_decide(
    manifest: Manifest, subject: str, context: Context
) -> None:
    compiled = compile_manifest(manifest)
    decision = decide(compiled, "e", subject, context)
    explanation = explain(compiled, "e", subject, context)
    assert explanation.decision == decision
    answered = [step for step in explanation.steps if step.verdict == "answered"]
    assert answered == [explanation.steps[-1]]
    assert explanation.steps[-1].note.endswith(f"reason {decision.reason}")


@settings(max_examples=200)
@given(manifests(), SUBJECT_IDS, CONTEXTS)
def test_explain__every_draw_in_a_trace__recomputed_from_its_hash_text(
    manifest: Manifest, subject: str, context: Context
) -> None:
    for step in explain(compile_manifest(manifest), "e", subject, context).steps:
        draws = [step.details, step.details.get("recipe", {})]
        for draw in (draw for draw in draws if "bucket" in draw):
            salt, purpose, unit = draw["hashText"].split(":", 2)
            assert draw["bucket"] == bucket_of(salt, purpose, unit)
            assert draw["bucket"] == draw["hash"] * 10_000 // 2**32
            starts = [each["start"] for each in draw["ranges"]]
            assert starts == [0, *(each["end"] for each in draw["ranges"][:-1])]
            assert draw["ranges"][-1]["end"] == 10_000


@given(manifests(), SUBJECT_IDS, CONTEXTS)
def test_decide__empty_memory_and_overrides__change_nothing(
    manifest: Manifest, subject: str, context: Context
) -> None:
    bare = msgspec.structs.replace(context, sticky=None, overrides=None)
    full = msgspec.structs.replace(context, sticky={}, overrides=Overrides())
    assert decided(manifest, subject, bare) == decided(manifest, subject, full)


@given(manifests(), SUBJECT_IDS, CONTEXTS)
def test_decide__stored_answer__kept_when_weights_change(
    manifest: Manifest, subject: str, context: Context
) -> None:
    first = decide(compile_manifest(manifest), "e", subject, context)
    if not first.store or first.variant is None:
        return
    (experiment,) = manifest.experiments
    assert isinstance(experiment, Experiment)
    arms = experiment.variants
    moved = [10_000] + [0] * (len(arms) - 1)
    changed = replace(
        experiment,
        variants=tuple(replace(arm, weight=w) for arm, w in zip(arms, moved, strict=True)),
    )
    remembering = msgspec.structs.replace(context, sticky={"e": first.variant.key})
    after = decided(replace(manifest, experiments=(changed,)), subject, remembering)
    expected = Reason.STICKY if first.reason is Reason.BUCKET else None
    if context.overrides is None or context.overrides.adapter is None:
        assert after == (first.variant.key, expected)


@given(st.text(min_size=1, max_size=30))
def test_bucket__lone_surrogate__drawn_as_the_replacement_character(unit: str) -> None:
    bucket = bucket_of("s", "variant", unit + "\ud800")
    assert bucket == bucket_of("s", "variant", unit + "\ufffd")
    assert 0 <= bucket < 10_000


def test_decide__ten_thousand_subjects__split_within_binomial_error() -> None:
    arms = (Variant("control", weight=7000), Variant("a", weight=3000))
    manifest = Manifest("o", "p", 1, "", (Experiment("e", "e", arms),))
    compiled: CompiledManifest = compile_manifest(manifest)
    keys = [decide(compiled, "e", f"s{n}", Context()).variant for n in range(10_000)]
    share = sum(key is not None and key.key == "a" for key in keys)
    assert abs(share - 3000) < 4.5 * (10_000 * 0.3 * 0.7) ** 0.5
