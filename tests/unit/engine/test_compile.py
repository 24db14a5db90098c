"""What compiling says about experiments that cannot decide, and about those that can."""

from dataclasses import replace
from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    BrokenExperiment,
    Context,
    Experiment,
    Holdout,
    InvalidExperiment,
    Layer,
    LayerRange,
    Manifest,
    Overrides,
    QueryOperator,
    QueryParam,
    Reason,
    RuleSegment,
    ServerSegment,
    Variant,
    bucket_of,
    check_experiment,
    compile_manifest,
    decide,
    explain,
    holdout_arm,
)

ARMS = (Variant("control"), Variant("treatment"))
EXPERIMENT = Experiment("e", "e", ARMS)


def manifest_of(*experiments: Experiment | BrokenExperiment, **parts: Any) -> Manifest:
    return Manifest("o", "p", 3, "", experiments, **parts)


def with_rule(rule: dict[str, Any]) -> Experiment:
    return replace(EXPERIMENT, audience=Audience(rule=rule))


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (with_rule({"": 1}), "audience.rule: '': an attribute is named by a non-empty string"),
        (
            with_rule({"a": list(range(501))}),
            "audience.rule.a: '501 values': use a list segment",
        ),
        (
            with_rule({"a": {"$all": list(range(501))}}),
            "audience.rule.a.$all: '501 values': use a list segment",
        ),
        (
            with_rule({"a": {"$in": list(range(501))}}),
            "audience.rule.a.$in: '501 values': put long lists into a list segment",
        ),
        (
            with_rule({"$and": [{"a": {"$gt": 1, "b": 2}}]}),
            "audience.rule.$and[0].a: {'$gt': 1, 'b': 2}: do not mix operators and plain keys",
        ),
        (
            with_rule({"a": {"$regex": "(?i)x"}}),
            (
                "audience.rule.a.$regex: '(?i)x': "
                "only ( ) and (?: ) groups mean the same everywhere (at character 1)"
            ),
        ),
        (
            replace(EXPERIMENT, audience=Audience(url_patterns=("/ok", "https:///x"))),
            "audience.urlPatterns[1]: 'https:///x': write /path, or host/path",
        ),
        (
            replace(EXPERIMENT, audience=Audience(url_patterns=("/a\\b",))),
            "audience.urlPatterns[0]: '/a\\\\b': no control characters or backslashes",
        ),
        (
            replace(
                EXPERIMENT,
                audience=Audience(query_params=(QueryParam("k", QueryOperator.REGEX, "["),)),
            ),
            "audience.queryParams[0].value: '[': a [ without its ]; write \\[ (at character 1)",
        ),
        (
            replace(EXPERIMENT, layer=LayerRange("gone", 0, 1)),
            "layer.key: 'gone': name a layer of this project (main, odd)",
        ),
        (
            replace(EXPERIMENT, layer=LayerRange("odd", 0, 1)),
            "layer.salt: 'no good': use A-Z a-z 0-9 . _ -",
        ),
        (
            replace(EXPERIMENT, audience=Audience(segments=("hist",))),
            "audience.segments.hist: 'hist': only the server can decide this segment",
        ),
    ],
)
def test_check_experiment__broken_field__names_path_value_and_fix(
    experiment: Experiment, message: str
) -> None:
    layers = (Layer("main", "layer.main"), Layer("odd", "no good"))
    with pytest.raises(InvalidExperiment) as caught:
        check_experiment(experiment, layers, (ServerSegment("hist"),))
    assert str(caught.value) == message


def test_check_experiment__nesting_nine_deep__refused() -> None:
    rule: dict[str, Any] = {"a": 1}
    for _ in range(8):
        rule = {"a": {"$elemMatch": rule}}
    with pytest.raises(InvalidExperiment, match="nest at most 8 deep"):
        check_experiment(with_rule(rule))


def test_check_experiment__sound__passes() -> None:
    check_experiment(EXPERIMENT)


def test_compile_manifest__key_used_twice__invalid_and_named() -> None:
    compiled = compile_manifest(manifest_of(EXPERIMENT, EXPERIMENT))
    assert compiled.broken == {"e": "key: 'e': use each key once"}
    assert decide(compiled, "e", "s", Context()).reason is Reason.INVALID


def test_compile_manifest__broken_beside_sound__sound_one_decides() -> None:
    broken = BrokenExperiment("b", "variants: missing")
    compiled = compile_manifest(manifest_of(broken, EXPERIMENT))
    assert compiled.version == 3
    assert "variants: missing" in compiled.broken["b"]
    assert decide(compiled, "b", "s", Context()).reason is Reason.INVALID
    assert decide(compiled, "e", "s", Context()).reason is Reason.BUCKET


def test_compile_manifest__segment_with_broken_rule__breaks_only_who_names_it() -> None:
    user = replace(EXPERIMENT, key="user", audience=Audience(segments=("bad",)))
    bad = RuleSegment("bad", {"a": {"$nope": 1}})
    compiled = compile_manifest(manifest_of(EXPERIMENT, user, segments=(bad,)))
    assert compiled.broken == {
        "user": "audience.segments.bad.rule.a.$nope: '$nope': not an operator of the dialect"
    }


@pytest.mark.parametrize(("rate", "arm"), [(0, "open"), (10_000, "held")])
def test_holdout_arm__all_or_nobody__said(rate: int, arm: str) -> None:
    compiled = compile_manifest(manifest_of(holdout=Holdout("h", "holdout.p", rate)))
    assert holdout_arm(compiled, "anyone") == arm


def test_holdout_arm__rate__same_draw_as_the_step() -> None:
    holdout = Holdout("h", "holdout.p", 5000)
    compiled = compile_manifest(manifest_of(EXPERIMENT, holdout=holdout))
    for subject in map(str, range(50)):
        held = bucket_of("holdout.p", "holdout", subject) < 5000
        assert holdout_arm(compiled, subject) == ("held" if held else "open")
        reason = decide(compiled, "e", subject, Context()).reason
        assert (reason is Reason.HOLDOUT) is held


def test_holdout_arm__no_holdout__none() -> None:
    assert holdout_arm(compile_manifest(manifest_of()), "s") is None


def test_decide__recipe_gate__in_the_experiment_without_variant() -> None:
    gated = tuple(replace(arm, recipe_sample_rate_bp=0) for arm in ARMS)
    compiled = compile_manifest(manifest_of(replace(EXPERIMENT, variants=gated)))
    decision = decide(compiled, "e", "s", Context())
    assert (decision.variant, decision.reason) == (None, Reason.RECIPE)
    assert decision.in_experiment


def test_explain__gated_variant__recipe_draw_in_the_details() -> None:
    arms = (replace(ARMS[0], weight=0), replace(ARMS[1], weight=10_000, recipe_sample_rate_bp=1))
    experiment = replace(EXPERIMENT, variants=arms)
    last = explain(compile_manifest(manifest_of(experiment)), "e", "s", Context()).steps[-1]
    assert last.details["recipe"]["hashText"] == "e:recipe.treatment:s"
    assert last.details["recipe"]["bucket"] == bucket_of("e", "recipe.treatment", "s")
    assert last.note.endswith("[1, 10000) not served: no variant, reason recipe")


def test_explain__context_that_brings_all__said_what_was_looked_at() -> None:
    experiment = replace(
        EXPERIMENT,
        divert_to="control",
        audience=Audience(rule={"tier": "pro"}, url_patterns=("/a",), sample_rate_bp=1),
    )
    context = Context(
        attributes={"tier": "free"}, url="/a", sticky={"e": "gone"}, overrides=Overrides()
    )
    steps = explain(compile_manifest(manifest_of(experiment)), "e", "s", context).steps
    notes = {step.name: step.note for step in steps if step.verdict != "skipped"}
    assert notes == {
        "preview": "none",
        "excluded": "not excluded",
        "page": "the page matches",
        "divert": "rule: no match",
        "sticky": "remembered gone, which is no variant any more",
        "person": "rule: no match: no variant, reason audience",
    }


@pytest.mark.parametrize(
    ("context", "note"),
    [
        (Context(), "no page given: addresses are not checked"),
        (Context(url="/b"), "urlPatterns: no match: no variant, reason audience"),
    ],
)
def test_explain__page__said_what_came_of_it(context: Context, note: str) -> None:
    experiment = replace(EXPERIMENT, audience=Audience(url_patterns=("/a",)))
    steps = explain(compile_manifest(manifest_of(experiment)), "e", "s", context).steps
    assert next(step.note for step in steps if step.name == "page") == note


def test_explain__unknown_experiment__one_row_says_so() -> None:
    explanation = explain(compile_manifest(manifest_of()), "nope", "s", Context())
    assert explanation.decision.reason is Reason.UNKNOWN
    assert not explanation.decision.in_experiment
    assert [(step.name, step.verdict) for step in explanation.steps] == [("manifest", "answered")]


def test_explain__steps_that_cannot_answer__said_why() -> None:
    steps = explain(compile_manifest(manifest_of(EXPERIMENT)), "e", "s", Context()).steps
    notes = {step.name: step.note for step in steps if step.verdict == "skipped"}
    assert notes == {
        "state": "running, without a schedule",
        "page": "the audience names no page",
        "unit": "the subject is the unit",
        "holdout": "the project has no holdout",
        "layer": "in no layer",
        "divert": "diverts nobody",
        "person": "the audience names no person",
        "sample": "everyone is sampled",
    }
