"""Files of several documents of all kinds, and what holds between them."""

import pytest

from fairlot.manifest.definitions import (
    DocumentKind,
    HoldoutDefinition,
    KnownDefinitions,
    LayerDefinition,
    MetricDefinition,
    SegmentDefinition,
)
from fairlot.manifest.documents import Documents, read_files, without_kind
from fairlot.manifest.source_files import SourceFile
from fairlot.stats.metrics import MetricKind
from support.experiment_texts import VARIANTS, problems_of, read_experiments, read_text

PURCHASE = MetricDefinition(
    key="purchase", name="Purchase", type=MetricKind.CONVERSION, event_name="paid"
)
ALL_KINDS = f"""\
kind: experiment
key: e
name: E
audience: {{segments: [pros], rule: {{email: {{$inGroup: vips}}}}}}
layer: {{key: page, start: 0, end: 100}}
metrics: [paid]
{VARIANTS}---
kind: layer
key: page
---
kind: segment
key: pros
rule: {{tier: pro}}
---
kind: segment
key: vips
values: [v]
---
kind: holdout
key: all
rate: 0.1
---
kind: metric
key: paid
type: conversion
eventName: paid
"""


def problems_of_files(*texts: str) -> list[str]:
    files = [SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    return list(map(str, read_files(files)[1]))


def test_file__with_every_kind__is_read_whatever_the_order() -> None:
    documents, problems = read_text(ALL_KINDS)
    assert problems == ()
    assert [spec.experiment.key for spec in documents.experiments] == ["e"]
    assert [(each.definition.kind, each.definition.key) for each in documents.definitions] == [
        ("layer", "page"),
        ("segment", "pros"),
        ("segment", "vips"),
        ("holdout", "all"),
        ("metric", "paid"),
    ]


def test_files__that_name_each_other__are_read_together() -> None:
    texts = ALL_KINDS.split("---\n")
    files = [SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]
    documents, problems = read_files(files)
    assert problems == ()
    assert documents.experiments[0].experiment == read_text(ALL_KINDS)[0].experiments[0].experiment


def test_no_files__hold_nothing() -> None:
    assert read_files([]) == (Documents(), ())


def test_kind__of_null__is_an_experiment() -> None:
    (spec,), problems = read_experiments(f"kind:\nkey: e\nname: E\n{VARIANTS}")
    assert (spec.experiment.key, problems) == ("e", ())


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (
            "segmnt",
            (
                '1: kind: "segmnt": write one of experiment, layer, segment, holdout, metric, '
                "feed, property; did you mean segment?"
            ),
        ),
        ("1", '1: kind: 1: write a text; quote it, as in "1"'),
        (
            "conversion",
            (
                '1: kind: "conversion": this is a type of metric; write `kind: metric` and it as '
                "`type`"
            ),
        ),
    ],
)
def test_kind__that_is_none__is_the_only_problem(kind: str, problem: str) -> None:
    assert problems_of(f"kind: {kind}\nkey: E\nfoo: x\n") == [problem]


def test_name__of_a_document_that_is_wrong_elsewhere__is_no_second_problem() -> None:
    text = ALL_KINDS.replace("tier: pro", "tier: {$foo: 1}").replace("eventName: paid", "x: y")
    documents, problems = read_text(text)
    assert [spec.experiment.key for spec in documents.experiments] == ["e"]
    assert [problem.path for problem in problems] == ["rule.tier.$foo", "eventName", "x"]


def test_names__of_the_project__are_known() -> None:
    text = "key: e\nname: E\naudience: {segments: [pros]}\nmetrics: [purchase]\n" + VARIANTS
    pros = SegmentDefinition(key="pros", name="Pros", rule={})
    documents, problems = read_text(text, known=KnownDefinitions((PURCHASE, pros)))
    assert problems == ()
    assert documents.experiments[0].experiment.audience.segments == ("pros",)


def test_list_of_the_project__that_the_files_make_a_rule__is_no_list() -> None:
    text = (
        "kind: segment\nkey: vips\nrule: {a: 1}\n---\n"
        "kind: segment\nkey: s\nrule: {b: {$inGroup: vips}}\n"
    )
    vips = SegmentDefinition(key="vips", name="VIPs", values=("v",))
    _, (problem,) = read_text(text, known=KnownDefinitions((vips,)))
    assert (problem.line, problem.path) == (7, "rule.b.$inGroup")


def test_key__of_two_kinds__is_no_conflict() -> None:
    text = "kind: layer\nkey: same\n---\nkind: segment\nkey: same\nrule: {a: 1}\n"
    documents, problems = read_text(text)
    assert (len(documents.definitions), problems) == (2, ())


def test_key__of_two_layers__is_told_at_the_second() -> None:
    layer = "kind: layer\nkey: page\n"
    assert problems_of_files(layer, layer) == [
        '1.yaml:2: key: "page": already the key of the layer at 0.yaml:1; give this one its own'
    ]


def test_holdouts__two_of_them__are_refused() -> None:
    first, second = "kind: holdout\nkey: a\nrate: 0.1\n", "kind: holdout\nkey: b\nrate: 0.1\n"
    assert problems_of_files(first, second) == [
        '1.yaml:2: key: "b": a project has one holdout, and a is at 0.yaml:1; keep one of them'
    ]


def test_holdout__beside_that_of_the_project__is_refused_unless_it_is_the_same() -> None:
    known = KnownDefinitions(
        (LayerDefinition(key="l", name="L"), HoldoutDefinition(key="a", name="A", rate_bp=1))
    )
    _, problems = read_text("kind: holdout\nkey: b\nrate: 0.1\n", known=known)
    assert list(map(str, problems)) == [
        'f.yaml:2: key: "b": a project has one holdout, and a is in the project; keep one of them'
    ]
    _, problems = read_text("kind: holdout\nkey: a\nrate: 0.1\n", known=known)
    assert problems == ()


def segment_text(key: str, *held: str) -> str:
    return f"kind: segment\nkey: {key}\nsegments: [{', '.join(held)}]\n"


def test_cycle__of_segments__is_refused_with_its_path() -> None:
    texts = [segment_text("a", "b"), segment_text("b", "c"), segment_text("c", "a")]
    assert problems_of_files(*texts) == [
        (
            '0.yaml:3: segments: ["b"]: a segment cannot hold itself: a -> b -> c -> a; '
            "remove one of them"
        )
    ]


def test_cycle__through_the_project__begins_at_what_is_written() -> None:
    a = SegmentDefinition(key="a", name="A", segments=("b",))
    _, problems = read_text(segment_text("b", "a"), known=KnownDefinitions((a,)))
    (problem,) = problems
    assert problem.message.startswith("a segment cannot hold itself: b -> a -> b;")


def test_cycle__in_the_project_alone__is_not_of_the_files() -> None:
    loop = SegmentDefinition(key="loop", name="L", segments=("loop",))
    _, problems = read_text(segment_text("b", "loop"), known=KnownDefinitions((loop,)))
    assert problems == ()


def test_cycle__of_many_segments__is_told_shortly_and_not_too_often() -> None:
    ring = [segment_text(f"s{number}", f"s{(number + 1) % 300}") for number in range(300)]
    (problem,) = problems_of_files(*ring)
    assert problem.endswith("s18 -> s19 -> ... -> s0; remove one of them")
    selves = [segment_text(f"s{number}", f"s{number}") for number in range(300)]
    assert len(problems_of_files(*selves)) == 20


def test_segments__that_hold_over_100__are_refused() -> None:
    chain = [segment_text(f"s{number}", f"s{number + 1}") for number in range(100)]
    last = "kind: segment\nkey: s100\nrule: {a: 1}\n"
    experiment = f"key: e\nname: E\naudience:\n  segments: [s0]\n{VARIANTS}"
    sound = experiment.replace("s0", "s1")
    assert problems_of_files(*chain, last, sound) == []
    text = '["s0"]: with those that they hold over 100 segments; nest fewer'
    assert problems_of_files(*chain, last, experiment) == [f"101.yaml:4: audience.segments: {text}"]
    outer = segment_text("outer", "s0")
    assert problems_of_files(*chain, last, outer) == [f"101.yaml:3: segments: {text}"]


def test_problems__of_several_files__stand_in_order_of_files_and_lines() -> None:
    wrong = f"key: e\nname: E\nfoo: 1\n{VARIANTS}---\nkey: f\nbar: 1\nname: F\n{VARIANTS}"
    sound = f"key: g\nname: G\n{VARIANTS}---\n"
    shared = f"{sound}{sound}key: h\nname: H\nfoo: 1\n{VARIANTS}"
    assert [problem.split(": ")[0] for problem in problems_of_files(shared, wrong)] == [
        "0.yaml:7",
        "0.yaml:15",
        "1.yaml:3",
        "1.yaml:9",
    ]


def test_kind__left_out_where_one_is_needed__is_named_with_its_line() -> None:
    text = "kind: segment\nkey: pros\n---\nkey: vips\nvalues: [v]\n---\nonly a text\n"
    problems = without_kind(SourceFile("s.yaml", text), DocumentKind.SEGMENT)
    assert list(map(str, problems)) == [
        "s.yaml:4: kind: missing: write `kind: segment`, as without it a document is an experiment"
    ]
