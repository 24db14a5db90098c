"""What the fields of an experiment file become."""

from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    Device,
    Experiment,
    ExperimentType,
    Hours,
    LayerRange,
    QueryOperator,
    QueryParam,
    Schedule,
    Status,
    Unit,
    Variant,
    VisitorStatus,
)
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from support.experiment_texts import HEAD, VARIANTS, spec_of, with_lines


def test_experiment__smallest__has_the_documented_defaults() -> None:
    text = HEAD + VARIANTS
    spec = spec_of(text)
    assert spec == ExperimentSpec(
        experiment=Experiment(
            key="e",
            salt="e",
            name="E",
            variants=(Variant("a", name="A", is_control=True), Variant("b", name="B")),
        ),
        target=TargetStatus.RUNNING,
        description=None,
        hypothesis=None,
        owner=None,
        tags=(),
        metrics=(),
        analysis=None,
        source=text,
        file="f.yaml",
        line=1,
        explicit_salt=False,
        explicit_status=False,
        root=spec.root,
    )


def test_experiment__minimal_document_of_the_reference__is_read() -> None:
    spec = spec_of(
        """\
id: checkout-cta
name: Checkout CTA
sampleRate: 1
variants:
  - key: control
    name: Control
  - key: bold
    name: Bold
metrics:
  - key: purchase
    name: Purchase
    kind: conversion
    eventName: purchase_completed
    isPrimary: true
"""
    )
    assert spec.experiment.key == "checkout-cta"
    assert spec.metrics == (
        {
            "key": "purchase",
            "name": "Purchase",
            "kind": "conversion",
            "eventName": "purchase_completed",
            "isPrimary": True,
        },
    )


def test_experiment__every_field__is_read() -> None:
    spec = spec_of(
        """\
key: full
name: Full
description: What it is.
hypothesis: What we think.
owner: us
tags: [a, b]
type: multivariate
status: completed
rollout: b
group: top-bar
priority: -5
unit: account
salt: s.1
audience:
  rule: {tier: {$in: [pro]}, account.plan: gold}
  urlPatterns: [/a, example.com/b, localhost]
  queryParams:
    - {key: utm, operator: equals, value: x}
    - {key: ref, operator: exists}
  device: mobile
  visitorStatus: returning
  sampleRate: 0.1234
layer: {key: checkout, start: 0, end: 5000}
schedule:
  start: 2026-11-23T06:00:00Z
  end: "2026-11-24T06:00:00+01:00"
  hours: {days: [mon, fri], from: 22:00, to: 06:00}
divertTo: a
display: once_per_visit
onLogin: switch
recheckAudience: true
adapterIsRandomised: true
manualExposure: true
trigger: {kind: waitForSelector, selector: "#x"}
sharedJs: js
sharedCss: css
metadata: {on: yes}
variants:
  - {key: a, name: A, weight: 2500, recipeSampleRate: .5, payload: {n: 1.0}, js: j, css: c,
     domOps: [{op: hide}]}
  - {key: b, name: B, weight: 7500, isControl: true, redirect: /new?x=1}
metrics:
  - {key: m, kind: sum, eventName: paid}
"""
    )
    assert spec.experiment == Experiment(
        key="full",
        salt="s.1",
        name="Full",
        type=ExperimentType.MULTIVARIATE,
        status=Status.COMPLETED,
        unit=Unit.ACCOUNT,
        audience=Audience(
            rule={"tier": {"$in": ["pro"]}, "account.plan": "gold"},
            url_patterns=("/a", "example.com/b", "localhost"),
            query_params=(
                QueryParam("utm", QueryOperator.EQUALS, "x"),
                QueryParam("ref", QueryOperator.EXISTS),
            ),
            device=Device.MOBILE,
            visitor_status=VisitorStatus.RETURNING,
            sample_rate_bp=1234,
        ),
        layer=LayerRange("checkout", 0, 5000),
        schedule=Schedule(
            1_795_413_600_000, 1_795_496_400_000, Hours(22 * 60, 6 * 60, frozenset({1, 5}))
        ),
        divert_to="a",
        rollout="b",
        recheck_audience=True,
        adapter_is_randomised=True,
        manual_exposure=True,
        metadata={"on": "yes"},
        group="top-bar",
        priority=-5,
        display="once_per_visit",
        on_login="switch",
        trigger={"kind": "waitForSelector", "selector": "#x"},
        shared_js="js",
        shared_css="css",
        variants=(
            Variant("a", "", "A", False, 2500, 5000, {"n": 1.0}, None, "j", "c", ({"op": "hide"},)),
            Variant("b", "", "B", True, 7500, redirect="/new?x=1"),
        ),
    )
    assert (spec.target, spec.owner, spec.tags) == (TargetStatus.COMPLETED, "us", ("a", "b"))
    assert (spec.description, spec.hypothesis) == ("What it is.", "What we think.")
    assert spec.explicit_salt
    (metric,) = spec.metrics
    assert (metric["name"], metric["kind"], metric["isPrimary"]) == ("m", "sum", False)


@pytest.mark.parametrize(
    ("written", "target", "status"),
    [
        ("draft", TargetStatus.DRAFT, Status.RUNNING),
        ("running", TargetStatus.RUNNING, Status.RUNNING),
        ("paused", TargetStatus.PAUSED, Status.PAUSED),
        ("completed", TargetStatus.COMPLETED, Status.COMPLETED),
        ("", TargetStatus.RUNNING, Status.RUNNING),
    ],
)
def test_status__each__is_the_state_to_reach(
    written: str, target: TargetStatus, status: Status
) -> None:
    spec = with_lines(f"status: {written}")
    assert (spec.target, spec.experiment.status) == (target, status)


def test_null__for_any_other_field__counts_as_absent() -> None:
    names: list[Any] = ["type", "status", "tags", "metrics"]
    names += ["holdback", "priority", "metadata", "trigger", "divertTo", "owner", "manualExposure"]
    spec = with_lines("\n".join(f"{name}:" for name in names))
    assert spec.experiment == spec_of(HEAD + VARIANTS).experiment
