"""Personalizations that events activate: what must hold of them, and how they are decided."""

from dataclasses import replace
from typing import Any

import pytest

from fairlot.engine import (
    ActivationRule,
    Audience,
    Context,
    EventRule,
    Experiment,
    ExperimentType,
    Holdout,
    InvalidExperiment,
    Manifest,
    Overrides,
    Reason,
    Status,
    Unit,
    Variant,
    check_experiment,
    compile_manifest,
    decide,
    explain,
)

VIEW = EventRule("view", {"page": "pricing"}, 3, 60_000)
BANNER = Experiment(
    "banner",
    "banner",
    (Variant("a"), Variant("b")),
    type=ExperimentType.PERSONALIZATION,
    activation=ActivationRule(VIEW, 1000, 5, 1000),
)
ACTIVE = {"banner": "b"}


def decided(context: Context, **fields: Any) -> tuple[str | None, Reason]:
    manifest = Manifest("o", "p", 1, "", (replace(BANNER, **fields),), Holdout("h", "h", 10_000))
    decision = decide(compile_manifest(manifest), "banner", "anna", context)
    assert not decision.store
    return None if decision.variant is None else decision.variant.key, decision.reason


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (Context(), (None, Reason.AUDIENCE)),
        (Context(activations={}), (None, Reason.AUDIENCE)),
        (Context(activations={"other": "b"}), (None, Reason.AUDIENCE)),
        (Context(activations={"banner": "gone"}), (None, Reason.AUDIENCE)),
        (Context(activations={"banner": None}), (None, Reason.AUDIENCE)),
        (Context(sticky={"banner": "a"}), (None, Reason.AUDIENCE)),
        (Context(activations=ACTIVE), ("b", Reason.STICKY)),
        (Context(activations=ACTIVE, sticky={"banner": "a"}), ("b", Reason.STICKY)),
        (
            Context(activations=ACTIVE, overrides=Overrides(adapter=lambda call: "a")),
            ("b", Reason.STICKY),
        ),
        (
            Context(activations=ACTIVE, overrides=Overrides(preview={"banner": "a"})),
            ("a", Reason.PREVIEW),
        ),
        (Context(activations=ACTIVE, overrides=Overrides(excluded=True)), (None, Reason.EXCLUDED)),
    ],
)
def test_triggered__by_what_is_active__is_served(
    context: Context, expected: tuple[str | None, Reason]
) -> None:
    assert decided(context) == expected


def test_triggered__active__must_be_open_and_meant_for_the_subject() -> None:
    active = Context(activations=ACTIVE, url="https://x.example/a")
    assert decided(active, status=Status.PAUSED) == (None, Reason.PAUSED)
    assert decided(active, audience=Audience({"tier": "pro"})) == (None, Reason.AUDIENCE)
    assert decided(active, audience=Audience(url_patterns=("/b",))) == (None, Reason.AUDIENCE)
    assert decided(active, unit=Unit.ACCOUNT) == (None, Reason.NO_UNIT)
    open_to_it = Audience(url_patterns=("/a",), sample_rate_bp=0)
    assert decided(active, audience=open_to_it) == ("b", Reason.STICKY)


@pytest.mark.parametrize(
    "fields", [{"divert_to": "a"}, {"rollout": "a", "status": Status.COMPLETED}]
)
def test_triggered__diverted__goes_to_all_of_the_active(fields: dict[str, Any]) -> None:
    assert decided(Context(activations=ACTIVE), **fields) == ("a", Reason.DIVERT)
    assert decided(Context(activations={"banner": None}), **fields) == ("a", Reason.DIVERT)
    assert decided(Context(activations={}), **fields) == (None, Reason.AUDIENCE)
    assert decided(Context(), **fields) == (None, Reason.AUDIENCE)


@pytest.mark.parametrize(
    ("context", "note"),
    [
        (Context(), "nothing is active for the subject: no variant, reason audience"),
        (Context(activations=ACTIVE), "active: b: variant b, reason sticky"),
        (
            Context(activations={"banner": None}),
            "active: the control share: no variant, reason audience",
        ),
        (
            Context(activations={"banner": "c"}),
            "active: c, which is no variant any more: no variant, reason audience",
        ),
    ],
)
def test_triggered__explained__says_what_is_active(context: Context, note: str) -> None:
    compiled = compile_manifest(Manifest("o", "p", 1, "", (BANNER,)))
    explanation = explain(compiled, "banner", "anna", context)
    assert [step.name for step in explanation.steps] == [
        "preview",
        "excluded",
        "state",
        "page",
        "unit",
        "person",
        "activation",
    ]
    assert explanation.steps[-1].note == note


@pytest.mark.parametrize(
    ("activation", "fields", "message"),
    [
        ({"when": EventRule("view", count=0)}, {}, "when.count: 0: use 1 to 1000"),
        (
            {"when": EventRule("view", within_ms=0)},
            {},
            "when.within: 0: use more than 0 s, 400 days at most",
        ),
        (
            {"when": EventRule("view", {"a": {"$x": 1}})},
            {},
            "when.where.a.$x: '$x': not an operator",
        ),
        ({"for_ms": 0}, {}, "for: 0: use more than 0 s, 400 days at most"),
        (
            {"for_ms": 401 * 86_400_000},
            {},
            "for: 34646400000: use more than 0 s, 400 days at most",
        ),
        ({"limit": 0}, {}, "limit: 0: use 1 to 1000000"),
        ({"control_share_bp": 10_001}, {}, "controlShare: 1.0001: a rate is 0 to 1"),
        (
            {},
            {"type": ExperimentType.AB},
            "type: 'ab': only what has type personalization is activated by events",
        ),
        (
            {},
            {"variants": (Variant("a"), Variant("control"))},
            "variants[1].key: 'control': with `when` the control is the control share",
        ),
    ],
)
def test_triggered__unsound__says_what_to_do(
    activation: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    assert BANNER.activation is not None
    unsound = replace(BANNER, activation=replace(BANNER.activation, **activation), **fields)
    with pytest.raises(InvalidExperiment) as caught:
        check_experiment(unsound)
    assert str(caught.value).startswith(message)


def test_triggered__sound__compiles() -> None:
    check_experiment(BANNER)
    check_experiment(replace(BANNER, activation=ActivationRule(EventRule("view"))))
