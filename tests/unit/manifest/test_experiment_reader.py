"""Every field of an experiment file: what it becomes, and what is said when it is wrong."""

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
from support.experiment_texts import (
    HEAD,
    VARIANTS,
    problems_of,
    problems_of_variants,
    problems_with,
    spec_of,
    with_lines,
)

RATE_FIX = "write a decimal from 0 to 1, as in 0.25"
NO_NUL = "has the character U+0000, which PostgreSQL cannot keep; remove it"
WEIGHT_FIX = "a weight is a whole number from 0 to 10000, and all sum to 10000"
THIRDS = "for a third each write 3333, 3333 and 3334"
PATH_FIX = "write a path of the same site with one leading /, as in /new"
UNSAFE_FIX = "no spaces, control characters or backslashes; percent-encode"
INSTANT_FIX = "write an RFC 3339 instant with its offset, as in 2026-11-23T06:00:00Z"


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


@pytest.mark.parametrize(
    ("variants", "control"),
    [
        (("{key: a, name: A}", "{key: b, name: B}"), "a"),
        (("{key: a, name: A}", "{key: control, name: B}"), "control"),
        (("{key: control, name: A}", "{key: b, name: B, isControl: true}"), "b"),
        (("{key: a, name: A, isControl: false}", "{key: b, name: B}"), "a"),
    ],
)
def test_control__is_the_marked_variant_else_the_one_so_keyed_else_the_first(
    variants: tuple[str, ...], control: str
) -> None:
    spec = spec_of(HEAD + "variants:\n" + "".join(f"  - {variant}\n" for variant in variants))
    assert [variant.key for variant in spec.experiment.variants if variant.is_control] == [control]


def test_personalization__of_one_variant__is_read() -> None:
    spec = spec_of(f"{HEAD}type: personalization\nvariants: [{{key: a, name: A}}]")
    assert spec.experiment.variants == (Variant("a", name="A"),)
    marked = spec_of(
        f"{HEAD}type: personalization\nvariants: [{{key: a, name: A, isControl: true}}]"
    )
    assert marked.experiment.variants == (Variant("a", name="A", is_control=True),)


@pytest.mark.parametrize(
    ("lines", "rate_bp"),
    [
        ("sampleRate: 0", 0),
        ("sampleRate: 1", 10_000),
        ("sampleRate: 1.0", 10_000),
        ("sampleRate: 0.29", 2900),  # 0.29 * 10000 is 2899.9999999999995 as a float
        ("sampleRate: 0.0001", 1),
        ("sampleRate: .5", 5000),
        ("sampleRate: +0.5", 5000),
        ("sampleRate: 0.50000", 5000),
        ("holdback: 0.1", 9000),
        ("holdback: 0", 10_000),
        ("holdback: 1", 0),
        ("audience: {sampleRate: 0.3}", 3000),
        ("audience: {sampleRate: null}", 10_000),
        ("sampleRate: ~\nholdback: 0.25", 7500),
    ],
)
def test_rate__written_as_a_decimal__is_read_exactly(lines: str, rate_bp: int) -> None:
    assert with_lines(lines).experiment.audience.sample_rate_bp == rate_bp


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "sampleRate: 0.12345",
            "3: sampleRate: 0.12345: a rate has at most four decimals; round it yourself",
        ),
        (
            "sampleRate: 0.1234000000000000000000000000000000001",
            (
                "3: sampleRate: 0.1234000000000000000000000000000000001: "
                "a rate has at most four decimals; round it yourself"
            ),
        ),
        (
            "sampleRate: 20",
            "3: sampleRate: 20: write a decimal from 0 to 1; did you mean 0.2?",
        ),
        (
            "sampleRate: 12.5",
            "3: sampleRate: 12.5: write a decimal from 0 to 1; did you mean 0.125?",
        ),
        ("sampleRate: 101", f"3: sampleRate: 101: {RATE_FIX}"),
        ("sampleRate: -0.1", f"3: sampleRate: -0.1: {RATE_FIX}"),
        ("sampleRate: 1.0001", f"3: sampleRate: 1.0001: {RATE_FIX}"),
        ("sampleRate: 5e-1", f"3: sampleRate: 5e-1: {RATE_FIX}"),
        ("sampleRate: 0x1", f"3: sampleRate: 0x1: {RATE_FIX}"),
        ("sampleRate: '0.5'", f'3: sampleRate: "0.5": {RATE_FIX}'),
        ("sampleRate: true", f"3: sampleRate: true: {RATE_FIX}"),
        ("sampleRate: [1]", f"3: sampleRate: [1]: {RATE_FIX}"),
        ("sampleRate: 50%", f'3: sampleRate: "50%": {RATE_FIX}'),
        (
            "audience: {sampleRate: 0.00001}",
            "3: audience.sampleRate: 0.00001: a rate has at most four decimals; round it yourself",
        ),
        (
            "sampleRate: 0.5\nholdback: 0.5",
            "4: holdback: 0.5: says the same as sampleRate; keep one of them",
        ),
        (
            "holdback: 0.5\naudience: {sampleRate: 0.5}",
            "4: audience.sampleRate: 0.5: says the same as holdback; keep one of them",
        ),
        (
            "recheckAudience: on",
            '3: recheckAudience: "on": write true or false',
        ),
        ("manualExposure: 1", "3: manualExposure: 1: write true or false"),
        ("nme: x", '3: nme: "x": not a field here; did you mean name?'),
        ("samplerate: 1", "3: samplerate: 1: not a field here; did you mean sampleRate?"),
        (
            "audience: {url_patterns: [/]}",
            '3: audience.url_patterns: ["/"]: not a field here; did you mean urlPatterns?',
        ),
        ("type: abtest", '3: type: "abtest": write one of ab, multivariate, personalization'),
        (
            "status: complete",
            (
                '3: status: "complete": write one of draft, running, paused, completed; '
                "did you mean completed?"
            ),
        ),
        ("status: on", '3: status: "on": write one of draft, running, paused, completed'),
        ("unit: [subject]", '3: unit: ["subject"]: write a text'),
        ("priority: 1.5", "3: priority: 1.5: write a whole number from -1000000 to 1000000"),
        ("priority: true", "3: priority: true: write a whole number from -1000000 to 1000000"),
        (
            "priority: 1000001",
            "3: priority: 1000001: write a whole number from -1000000 to 1000000",
        ),
        ("priority: {}", "3: priority: {}: write a whole number from -1000000 to 1000000"),
        ("group: top bar", '3: group: "top bar": use 1 to 128 of A-Z a-z 0-9 _ -'),
        ("salt: 'a:b'", '3: salt: "a:b": use 1 to 128 of A-Z a-z 0-9 . _ -'),
        ("salt: ''", '3: salt: "": use 1 to 128 of A-Z a-z 0-9 . _ -'),
        ("owner: ''", '3: owner: "": write a text, or leave the field out'),
        ("owner: 5", '3: owner: 5: write a text; quote it, as in "5"'),
        ("tags: a", '3: tags: "a": write a list, as in [a, b]'),
        ("tags: [a, 1]", "3: tags[1]: 1: write a text; quote it if need be"),
        ("tags:\n  - a\n  - ''", '5: tags[1]: "": write a text; quote it if need be'),
        (
            f"tags: [a, {'x' * 101}]",
            f'3: tags[1]: "{"x" * 76}...: 101 characters; use at most 100',
        ),
        (
            f"tags: [{', '.join(['a'] * 51)}]",
            "3: tags: [" + '"a",' * 19 + "...: 51 items; use at most 50",
        ),
        (
            f"description: {'x' * 4001}",
            f'3: description: "{"x" * 76}...: 4001 characters; use at most 4000',
        ),
        (r'owner: "a\0"', rf'3: owner: "a\u0000": {NO_NUL}'),
        ("metadata: [1]", "3: metadata: [1]: write a mapping of fields, as in {key: value}"),
        ("display: never", '3: display: "never": write one of always, once, once_per_visit'),
        ("onLogin: stay", '3: onLogin: "stay": write one of keep, switch, exclude'),
        ("trigger: auto", '3: trigger: "auto": write a mapping of fields, as in {key: value}'),
        ("trigger: {pattern: x}", "3: trigger.kind: missing; it is required"),
        (
            "trigger: {kind: urlmatch}",
            (
                '3: trigger.kind: "urlmatch": write one of auto, urlMatch, waitForSelector, event; '
                "did you mean urlMatch?"
            ),
        ),
        ("id: other", '3: id: "other": another name of `key`; keep one of them'),
        ("divertTo: c", '3: divertTo: "c": name one of the variants: a, b'),
        ("divertTo: 1", '3: divertTo: 1: write a text; quote it, as in "1"'),
        (
            "status: completed\nrollout: true",
            "4: rollout: true: name the variant that everybody gets, by its key",
        ),
        ("rollout: a", '3: rollout: "a": only a completed experiment rolls out; or use divertTo'),
        ("status: completed\nrollout: c", '4: rollout: "c": name one of the variants: a, b'),
    ],
)
def test_field__wrong__is_refused_with_line_path_value_and_fix(lines: str, problem: str) -> None:
    assert problems_with(lines) == [problem]


def test_metadata__over_64_kib__is_refused() -> None:
    (problem,) = problems_with(f"metadata: {{a: {'x' * 65_536}}}")
    assert problem.endswith(": 65544 bytes as JSON; use at most 65536")
    assert with_lines(f"metadata: {{a: {'x' * 65_528}}}")


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (f"name: E\n{VARIANTS}", ["1: key: missing; it is required"]),
        (f"key: e\n{VARIANTS}", ["1: name: missing; it is required"]),
        (HEAD, ["1: variants: missing; it is required"]),
        (
            "# x\n{}",
            [f"2: {field}: missing; it is required" for field in ("key", "name", "variants")],
        ),
        (
            f"key: 5\nname: E\n{VARIANTS}",
            ['1: key: 5: write a text; quote it, as in "5"'],
        ),
        (
            f"id: E\nname: E\n{VARIANTS}",
            ['1: id: "E": start with a lower-case letter, then up to 63 of a-z 0-9 _ -'],
        ),
        (
            f"key: {'k' * 65}\nname: E\n{VARIANTS}",
            [f'1: key: "{"k" * 65}": start with a lower-case letter, then up to 63 of a-z 0-9 _ -'],
        ),
    ],
)
def test_required_field__missing_or_malformed__is_named(text: str, problems: list[str]) -> None:
    assert problems_of(text) == problems


@pytest.mark.parametrize(
    ("variants", "problem"),
    [
        (
            ("{key: a, name: A, weight: 33.3}", "{key: b, name: B, weight: 6670}"),
            f"4: variants[0].weight: 33.3: {WEIGHT_FIX}; {THIRDS}",
        ),
        (
            ("{key: a, name: A, weight: 0.3333}", "{key: b, name: B, weight: 6670}"),
            f"4: variants[0].weight: 0.3333: {WEIGHT_FIX}; {THIRDS}",
        ),
        (
            ("{key: a, name: A, weight: 12.5}", "{key: b, name: B, weight: 6670}"),
            f"4: variants[0].weight: 12.5: {WEIGHT_FIX}; 12.5 % is 1250",
        ),
        (
            ("{key: a, name: A, weight: 12.345}", "{key: b, name: B, weight: 6670}"),
            f"4: variants[0].weight: 12.345: {WEIGHT_FIX}",
        ),
        (
            ("{key: a, name: A, weight: 5000.5}", "{key: b, name: B, weight: 5000}"),
            f"4: variants[0].weight: 5000.5: {WEIGHT_FIX}",
        ),
        (
            ("{key: a, name: A, weight: -1}", "{key: b, name: B, weight: 10000}"),
            f"4: variants[0].weight: -1: {WEIGHT_FIX}",
        ),
        (
            ("{key: a, name: A, weight: 4000}", "{key: b, name: B, weight: 5000}"),
            "3: variants: [4000,5000]: weights must sum to 10000; these sum to 9000",
        ),
        (
            ("{key: a, name: A, weight: 70}", "{key: b, name: B, weight: 30}"),
            (
                "3: variants: [70,30]: weights must sum to 10000; these sum to 100. "
                "In percent? Write 7000, 3000"
            ),
        ),
        (
            ("{key: a, name: A, weight: 0.7}", "{key: b, name: B, weight: 3000}"),
            f"4: variants[0].weight: 0.7: {WEIGHT_FIX}; 0.7 of all is 7000",
        ),
        (
            ("{key: a, name: A, weight: 10000}", "{key: b, name: B}"),
            "3: variants: [10000]: give every variant a weight, or none",
        ),
        (
            ("{key: a, name: A}",),
            "3: variants: 1: an experiment of type ab has 2 to 200 variants",
        ),
        (
            ("{key: a, name: A}", "{key: a, name: B}"),
            '5: variants[1].key: "a": each variant has its own key',
        ),
        (
            ("{key: A, name: A}", "{key: b, name: B}"),
            '4: variants[0].key: "A": use 1 to 32 of a-z 0-9 _ -',
        ),
        (
            ("{key: 1, name: A}", "{key: b, name: B}"),
            '4: variants[0].key: 1: write a text; quote it, as in "1"',
        ),
        (("{name: A}", "{key: b, name: B}"), "4: variants[0].key: missing; it is required"),
        (("{key: a}", "{key: b, name: B}"), "4: variants[0].name: missing; it is required"),
        (
            ("a", "{key: b, name: B}"),
            '4: variants[0]: "a": write a mapping of fields, as in {key: value}',
        ),
        (
            ("{key: a, name: A, wieght: 1}", "{key: b, name: B}"),
            "4: variants[0].wieght: 1: not a field here; did you mean weight?",
        ),
        (
            ("{key: a, name: A, isControl: true}", "{key: b, name: B, isControl: true}"),
            "5: variants[1].isControl: true: 'a' is the control already; mark one variant",
        ),
        (
            ("{key: a, name: A, recipeSampleRate: 2}", "{key: b, name: B}"),
            "4: variants[0].recipeSampleRate: 2: write a decimal from 0 to 1; did you mean 0.02?",
        ),
        (
            ("{key: a, name: A, payload: 1, redirect: /x}", "{key: b, name: B}"),
            (
                '4: variants[0].redirect: "/x": a variant has a payload or a redirect, not both; '
                "remove one"
            ),
        ),
        (
            ("{key: a, name: A, domOps: {op: x}}", "{key: b, name: B}"),
            '4: variants[0].domOps: {"op":"x"}: write a list, as in [a, b]',
        ),
        (
            ("{key: a, name: A, domOps: [x]}", "{key: b, name: B}"),
            '4: variants[0].domOps[0]: "x": write a mapping of fields, as in {key: value}',
        ),
    ],
)
def test_variants__wrong__are_refused(variants: tuple[str, ...], problem: str) -> None:
    assert problems_of_variants(*variants) == [problem]


def test_variants__over_200__are_refused() -> None:
    variants = [f"{{key: v{number}, name: V}}" for number in range(201)]
    assert problems_of_variants(*variants) == [
        "3: variants: 201: an experiment of type ab has 2 to 200 variants"
    ]


def test_payload__over_64_kib__is_refused() -> None:
    (problem,) = problems_of_variants(
        "{key: a, name: A, payload: " + "x" * 65_536 + "}", "{key: b, name: B}"
    )
    assert problem.startswith("4: variants[0].payload: ")
    assert problem.endswith(": 65538 bytes as JSON; use at most 65536")


@pytest.mark.parametrize("payload", ["false", "0", "''", "[]", "text", "[1, {a: null}]"])
def test_payload__any_json__is_kept(payload: str) -> None:
    spec = spec_of(
        f"{HEAD}variants:\n  - {{key: a, name: A, payload: {payload}}}\n  - {{key: b, name: B}}"
    )
    expected = {
        "false": False,
        "0": 0,
        "''": "",
        "[]": [],
        "text": "text",
        "[1, {a: null}]": [1, {"a": None}],
    }
    assert spec.experiment.variants[0].payload == expected[payload]


@pytest.mark.parametrize(
    ("redirect", "shown", "fix"),
    [
        ("//evil.example", '"//evil.example"', PATH_FIX),
        ("new", '"new"', PATH_FIX),
        ("http://example.com", '"http://example.com"', PATH_FIX),
        ("'javascript:alert(1)'", '"javascript:alert(1)"', PATH_FIX),
        (
            "https://example.com/x",
            '"https://example.com/x"',
            (
                "this server cannot yet allow hosts to redirect to; write a path of the same site, "
                "as in /new-page"
            ),
        ),
        (
            "HTTPS://example.com",
            '"HTTPS://example.com"',
            (
                "this server cannot yet allow hosts to redirect to; write a path of the same site, "
                "as in /new-page"
            ),
        ),
        (r"'/\evil.example'", r'"/\\evil.example"', UNSAFE_FIX),
        (r'"/\t/evil.example"', r'"/\t/evil.example"', UNSAFE_FIX),
        ("/a b", '"/a b"', UNSAFE_FIX),
        ("/" + "a" * 2000, '"/' + "a" * 75 + "...", "2001 characters; use at most 2000"),
        ("5", "5", 'write a text; quote it, as in "5"'),
    ],
)
def test_redirect__that_could_leave_the_site__is_refused(
    redirect: str, shown: str, fix: str
) -> None:
    assert problems_of_variants(
        f"{{key: a, name: A, redirect: {redirect}}}", "{key: b, name: B}"
    ) == [f"4: variants[0].redirect: {shown}: {fix}"]


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (
            "layer: checkout",
            ['3: layer: "checkout": write a mapping of fields, as in {key: value}'],
        ),
        (
            "layer: {key: checkout}",
            [f"3: layer.{field}: missing; it is required" for field in ("start", "end")],
        ),
        (
            "layer: {key: Checkout, start: 0, end: 1}",
            [
                (
                    '3: layer.key: "Checkout": start with a lower-case letter, '
                    "then up to 63 of a-z 0-9 _ -"
                )
            ],
        ),
        (
            "layer: {key: c, start: 0, end: 10001}",
            ["3: layer.end: 10001: write a whole number from 0 to 10000"],
        ),
        (
            "layer: {key: c, start: 5, end: 5}",
            ['3: layer: "[5, 5)": 0 <= start < end <= 10000'],
        ),
        (
            "layer: {key: c, start: 0, end: 1, salt: x}",
            ['3: layer.salt: "x": not a field here; known: end, key, start'],
        ),
    ],
)
def test_layer__wrong__is_refused(lines: str, problems: list[str]) -> None:
    assert problems_with(lines) == problems


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (
            "schedule: always",
            ['3: schedule: "always": write a mapping of fields, as in {key: value}'],
        ),
        ("schedule: {start: 2026-11-23}", [f'3: schedule.start: "2026-11-23": {INSTANT_FIX}']),
        ("schedule: {start: 5}", ['3: schedule.start: 5: write a text; quote it, as in "5"']),
        (
            "schedule:\n  start: 2026-11-23T06:00:00Z\n  end: 2026-11-23T06:00:00Z",
            [
                (
                    '5: schedule.end: "2026-11-23T06:00:00Z": ends before it starts; '
                    "put `end` after `start`"
                )
            ],
        ),
        ("schedule: {hours: {from: 09:00}}", ["3: schedule.hours.to: missing; it is required"]),
        (
            "schedule: {hours: {from: 9:00, to: 24:00}}",
            [
                '3: schedule.hours.from: "9:00": write a time of day, UTC, as in 09:00',
                '3: schedule.hours.to: "24:00": write a time of day, UTC, as in 09:00',
            ],
        ),
        (
            "schedule: {hours: {from: 09:00, to: 09:00}}",
            [
                (
                    '3: schedule.hours.to: "09:00": the same as `from`; '
                    "leave `hours` out if it is open all day"
                )
            ],
        ),
        (
            "schedule: {hours: {days: [], from: 09:00, to: 10:00}}",
            ["3: schedule.hours.days: []: name at least one day, or leave it out for every day"],
        ),
        (
            "schedule: {hours: {days: mon, from: 09:00, to: 10:00}}",
            ['3: schedule.hours.days: "mon": write a list, as in [a, b]'],
        ),
        (
            "schedule: {hours: {days: [monday], from: 09:00, to: 10:00}}",
            ['3: schedule.hours.days[0]: "monday": days are mon, tue, wed, thu, fri, sat, sun'],
        ),
    ],
)
def test_schedule__wrong__is_refused(lines: str, problems: list[str]) -> None:
    assert problems_with(lines) == problems


def test_schedule__hours_without_days__are_every_day() -> None:
    schedule = with_lines("schedule: {hours: {from: 09:00, to: 17:00}}").experiment.schedule
    assert schedule == Schedule(hours=Hours(540, 1020))


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        ("{}", "3: metrics: {}: write a list, as in [a, b]"),
        ("[{kind: sum, eventName: e}]", "3: metrics[0].key: missing; it is required"),
        ("[{key: m, eventName: e}]", "3: metrics[0].kind: missing; it is required"),
        ("[{key: m, kind: sum}]", "3: metrics[0].eventName: missing; it is required"),
        (
            "[{key: m, kind: means, eventName: e}]",
            (
                '3: metrics[0].kind: "means": write one of conversion, count, sum, mean, ratio, '
                "quantile; did you mean mean?"
            ),
        ),
        (
            "[{key: m, kind: sum, eventName: e, isPrimary: 1}]",
            "3: metrics[0].isPrimary: 1: write true or false",
        ),
        (
            "[{key: m, kind: sum, eventName: e}, {key: m, kind: sum, eventName: e}]",
            '3: metrics[1].key: "m": each metric has its own key',
        ),
        (
            "[{key: m, kind: sum, event: e, eventName: e}]",
            '3: metrics[0].event: "e": not a field here; did you mean eventName?',
        ),
    ],
)
def test_metrics__wrong__are_refused(metrics: str, problem: str) -> None:
    assert problems_with(f"metrics: {metrics}") == [problem]


def test_file__with_many_errors__has_them_all_named_in_order_of_lines() -> None:
    text = """\
key: Checkout
nme: x
sampleRate: 0.12345
on: true
audience:
  rule:
    tier: {$gtt: 3, $in: 4}
    version: {$vgt: 3}
    email: {$regex: "(?=x)"}
  urlPatterns: [pricing, "http://"]
variants:
  - {key: a, name: A, weight: 33.3}
  - key: b
    weight: 5
    weight: 6
"""
    assert [": ".join(problem.split(": ")[:2]) for problem in problems_of(text)] == [
        "1: key",
        "1: name",
        "2: nme",
        "3: sampleRate",
        "4: on",
        "7: audience.rule.tier.$gtt",
        "7: audience.rule.tier.$in",
        "8: audience.rule.version.$vgt",
        "9: audience.rule.email.$regex",
        "10: audience.urlPatterns[0]",
        "10: audience.urlPatterns[1]",
        "12: variants[0].weight",
        "13: variants[1].name",
        "15: variants[1]",
    ]


def test_file__with_one_mistake_in_two_documents__names_both() -> None:
    text = f"{HEAD}audience: {{rule: {{a: {{$vgt: 1}}}}}}\n"
    assert [problem.split(": ")[0] for problem in problems_of(f"{text}---\n{text}")] == [
        "1",  # no variants
        "3",
        "5",
        "7",
    ]


def test_unknown_fields__very_many__are_named_up_to_a_hundred() -> None:
    unknown = "\n".join(f"field{number}: 1" for number in range(500))
    assert len(problems_with(unknown)) == 100


@pytest.mark.parametrize("name", ["audience", "layer", "schedule"])
def test_null__for_a_mapping_of_fields__is_refused(name: str) -> None:
    (problem,) = problems_with(f"{name}:\nsampleRate: 0.5")
    assert problem == f"3: {name}: empty; indent its parts below it, or remove the line"


def test_unknown_field__of_many__points_at_the_page() -> None:
    (problem,) = problems_with("xyzzy: 1")
    assert problem == "3: xyzzy: 1: not a field here; see docs/reference/experiments.md"


def test_null__for_any_other_field__counts_as_absent() -> None:
    names: list[Any] = ["type", "status", "tags", "metrics"]
    names += ["holdback", "priority", "metadata", "trigger", "divertTo", "owner", "manualExposure"]
    spec = with_lines("\n".join(f"{name}:" for name in names))
    assert spec.experiment == spec_of(HEAD + VARIANTS).experiment
