"""The audience of an experiment file: what it becomes, and what is said when it is wrong."""

import pytest

from fairlot.engine import (
    QueryOperator,
    QueryParam,
)
from fairlot.manifest.definitions import SegmentDefinition
from support.experiment_texts import (
    problems_with,
    with_lines,
)


def audience_problems(lines: str, *segments: SegmentDefinition) -> list[str]:
    return problems_with(f"audience:\n{lines}", *segments)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "  rule: {a: {$gtt: 1}}",
            "4: audience.rule.a.$gtt: 1: $gtt is not an operator; did you mean $gt?",
        ),
        (
            "  rule: {a: {$EQ: 1}}",
            "4: audience.rule.a.$EQ: 1: $EQ is not an operator; did you mean $eq?",
        ),
        (
            "  rule: {$adn: []}",
            "4: audience.rule.$adn: []: $adn is not an operator; did you mean $and?",
        ),
        (
            "  rule:\n    $and:\n      - {a: 1}\n      - {$not: {b: {$xyzzy: 1}}}",
            (
                "7: audience.rule.$and[1].$not.b.$xyzzy: 1: $xyzzy is not an operator; "
                "see docs/reference/experiments.md"
            ),
        ),
        (
            "  rule: {a: {$not: {$gtx: 1}}}",
            "4: audience.rule.a.$not.$gtx: 1: $gtx is not an operator; did you mean $gt?",
        ),
        ("  rule: {a: {$size: {$gtx: 1}}}", "4: audience.rule.a.$size.$gtx: 1: $gtx is not"),
        ("  rule: {a: {$all: [{$gtx: 1}]}}", "4: audience.rule.a.$all[0].$gtx: 1: $gtx is not"),
        (
            "  rule: {a: {$elemMatch: {$gtx: 1}}}",
            "4: audience.rule.a.$elemMatch.$gtx: 1: $gtx is not",
        ),
        ("  rule: {a: {$elemMatch: {b: {$gtx: 1}}}}", "4: audience.rule.a.$elemMatch.b.$gtx: "),
        (
            "  rule: {a: {$elemMatch: {$or: [{b: {$gtx: 1}}]}}}",
            "4: audience.rule.a.$elemMatch.$or[0].b.$gtx: 1: $gtx is not",
        ),
        ("  rule: {a: {b: {$gtx: 1}}}", "4: audience.rule.a.b.$gtx: 1: $gtx is not"),
        (
            "  rule:\n    a:\n      $in: x",
            '6: audience.rule.a.$in: "x": $in takes a list, as in $in: [a, b]',
        ),
        (
            "  rule: {a: {$nin: 1}}",
            "4: audience.rule.a.$nin: 1: $nin takes a list, as in $nin: [a, b]",
        ),
        ("  rule: {a: {$ini: {}}}", "4: audience.rule.a.$ini: {}: $ini takes a list"),
        ("  rule: {a: {$nini: null}}", "4: audience.rule.a.$nini: null: $nini takes a list"),
        ("  rule: {a: {$all: x}}", '4: audience.rule.a.$all: "x": $all takes a list'),
        ("  rule: {a: {$alli: x}}", '4: audience.rule.a.$alli: "x": $alli takes a list'),
        ("  rule: [a]", '4: audience.rule: ["a"]: write a mapping of fields, as in {key: value}'),
        ("  rule: {$and: {a: 1}}", '4: audience.rule.$and: {"a":1}: $and takes a list of rules'),
        ("  rule: {$eq: 1}", "4: audience.rule.$eq: "),
        ("  rule: {a: {$gt: 1, b: 2}}", '4: audience.rule.a: {"$gt":1,"b":2}: do not mix'),
        (
            "  rule: {a: {$regex: '(?=x)'}}",
            '4: audience.rule.a.$regex: "(?=x)": only ( ) and (?: )',
        ),
        ("  rule: {a.b: {$regex: '['}}", '4: audience.rule.a.b.$regex: "[": '),
        ("  rule: {a: {$vgt: 1.2}}", "4: audience.rule.a.$vgt: 1.2: a version is a string"),
        (
            "  rule: {a: {$inGroup: vips}}",
            '4: audience.rule.a.$inGroup: "vips": no such segment; there is none yet',
        ),
        (
            "  segments: [pros]",
            (
                '4: audience.segments[0]: "pros": no such segment; there is none yet: write one '
                "in a document of `kind: segment`"
            ),
        ),
        ("  segments: pros", '4: audience.segments: "pros": write a list, as in [a, b]'),
        (
            "  urlPatterns: [pricing]",
            '4: audience.urlPatterns[0]: "pricing": this is a host; did you mean "/pricing"?',
        ),
        (
            "  urlPatterns:\n    - /ok\n    - 'http://'",
            '6: audience.urlPatterns[1]: "http://": write /path, or host/path',
        ),
        ("  urlPatterns: [1]", "4: audience.urlPatterns[0]: 1: write a text; quote it if need be"),
        (
            "  queryParams: [{key: a, operator: exists},\n {key: b, operator: regex, value: '('}]",
            '5: audience.queryParams[1].value: "(": a group is not closed',
        ),
        (
            "  queryParams: [{operator: exists}]",
            "4: audience.queryParams[0].key: missing; it is required",
        ),
        ("  queryParams: [{key: a, value: b}]", "4: audience.queryParams[0].operator: missing"),
        (
            "  queryParams: [{key: a, operator: equals}]",
            "4: audience.queryParams[0].value: missing; equals compares with it",
        ),
        (
            "  queryParams: [{key: a, operator: equals, value: 1}]",
            '4: audience.queryParams[0].value: 1: write a text; quote it, as in "1"',
        ),
        (
            "  queryParams: [{key: a, operator: equal, value: x}]",
            (
                '4: audience.queryParams[0].operator: "equal": write one of equals, not_equals, '
                "contains, exists, not_exists, regex; did you mean equals?"
            ),
        ),
        (
            "  queryParams: [{key: '', operator: exists}]",
            '4: audience.queryParams[0].key: "": write a text',
        ),
        ("  device: tablet", '4: audience.device: "tablet": write one of all, desktop, mobile'),
        (
            "  visitorStatus: old",
            '4: audience.visitorStatus: "old": write one of any, new, returning',
        ),
    ],
)
def test_audience__wrong__is_refused(lines: str, problem: str) -> None:
    (found,) = audience_problems(lines)
    assert found.startswith(problem)


def test_audience__not_a_mapping__is_refused() -> None:
    assert problems_with("audience: all") == [
        '3: audience: "all": write a mapping of fields, as in {key: value}'
    ]


def test_audience__empty_value_of_a_query_parameter__is_compared_with() -> None:
    (param,) = with_lines(
        "audience: {queryParams: [{key: a, operator: contains, value: ''}]}"
    ).experiment.audience.query_params
    assert param == QueryParam("a", QueryOperator.CONTAINS, "")


def test_audience__over_200_url_patterns__is_refused_as_a_whole() -> None:
    patterns = ", ".join(f"/{number}" for number in range(201))
    (problem,) = audience_problems(f"  urlPatterns: [{patterns}]")
    assert problem.startswith('4: audience.urlPatterns[200]: "/200": use at most 200')


def test_audience__over_200_clauses__is_refused_as_a_whole() -> None:
    rule = ", ".join(f"a{number}: 1" for number in range(201))
    (problem,) = audience_problems(f"  rule: {{{rule}}}")
    assert "use at most 200 clauses" in problem


def test_rule__plain_values_and_wellformed_operators__is_read_as_written() -> None:
    rule = with_lines(
        """\
audience:
  rule:
    on: yes
    tags: [a, {b: 1}]
    deep: {x: {y: 1}}
    list: {$all: [a, {$gt: 1}], $elemMatch: {$eq: 1}, $alli: [b]}
    nested: {$elemMatch: {x: 1}, $not: {$in: [1]}}
    $or: [{a: 1}, {$not: {b: {$size: 2}}}]
"""
    ).experiment.audience.rule
    assert rule == {
        "on": "yes",
        "tags": ["a", {"b": 1}],
        "deep": {"x": {"y": 1}},
        "list": {"$all": ["a", {"$gt": 1}], "$elemMatch": {"$eq": 1}, "$alli": ["b"]},
        "nested": {"$elemMatch": {"x": 1}, "$not": {"$in": [1]}},
        "$or": [{"a": 1}, {"$not": {"b": {"$size": 2}}}],
    }


def test_segments__that_the_project_has__are_read_and_others_refused() -> None:
    segments = (
        SegmentDefinition(key="pros", name="Pros", rule={"tier": "pro"}),
        SegmentDefinition(key="vips", name="VIPs", values=("v",), attribute="email"),
    )
    spec = with_lines("audience: {segments: [pros], rule: {email: {$inGroup: vips}}}", *segments)
    assert spec.experiment.audience.segments == ("pros",)
    assert problems_with("audience: {segments: [prso]}", *segments) == [
        '3: audience.segments[0]: "prso": no such segment; did you mean pros?'
    ]


@pytest.mark.parametrize(
    ("operand", "paths"),
    [
        ("{in: [gold]}", {"in": '["gold"]'}),
        ("{gte: 1, lt: 5}", {"gte": "1", "lt": "5"}),
        ("{$not: {in: [gold]}}", {"$not.in": '["gold"]'}),
        ("{$size: {gt: 1}}", {"$size.gt": "1"}),
        ("{$elemMatch: {b: {exists: true}}}", {"$elemMatch.b.exists": "true"}),
    ],
)
def test_rule__operators_without_their_sign__are_refused(
    operand: str, paths: dict[str, str]
) -> None:
    expected = [
        f"4: audience.rule.tier.{path}: {value}: an operator begins with $; "
        f"did you mean ${path.rpartition('.')[2]}?"
        for path, value in paths.items()
    ]
    assert audience_problems(f"  rule: {{tier: {operand}}}") == expected


@pytest.mark.parametrize(
    "rule",
    [
        "{in: gold, type: x}",
        "{plan: {type: x, since: 2020}}",
        "{items: {$elemMatch: {size: 3}}}",
        "{$and: [{type: x}], $not: {size: 3}}",
        "{items: [{type: x}]}",
        "{plan: {}}",
    ],
)
def test_rule__words_that_are_data__are_read(rule: str) -> None:
    assert with_lines(f"audience: {{rule: {rule}}}").experiment.audience.rule
