"""Documents of layers, segments, the holdout and metrics: what they become, and what is refused."""

import msgspec
import pytest

from fairlot.manifest.definitions import (
    Definition,
    HistoryConditionDefinition,
    HoldoutDefinition,
    KnownDefinitions,
    LayerDefinition,
    MetricDefinition,
    SegmentDefinition,
    WrittenDefinition,
    definition_from_json,
    definition_to_json,
)
from fairlot.stats.metrics import MetricKind
from support.experiment_texts import problems_of, read_text

VIPS = SegmentDefinition(key="vips", name="VIPs", values=("v",))
PROS = SegmentDefinition(key="pros", name="Pros", rule={"tier": "pro"})


def definition_of(text: str, *known: Definition) -> Definition:
    documents, problems = read_text(text, known=KnownDefinitions(known))
    assert list(map(str, problems)) == []
    (written,) = documents.definitions
    return written.definition


def test_definition__in_a_file__has_its_source_and_line() -> None:
    text = "kind: layer\nkey: page\n"
    documents, problems = read_text(f"---\n# why\n{text}", "l.yaml")
    assert problems == ()
    assert documents.experiments == ()
    assert documents.definitions == (
        WrittenDefinition(
            LayerDefinition(key="page", name="page"),
            f"---\n# why\n{text}",
            "l.yaml",
            3,
            documents.definitions[0].root,
        ),
    )


def test_layer__every_field__is_read() -> None:
    text = "kind: layer\nkey: page\nname: The page\ndescription: What it is.\nsalt: page.2\n"
    assert definition_of(text) == LayerDefinition(
        key="page", name="The page", description="What it is.", salt="page.2"
    )


def test_holdout__every_field__is_read() -> None:
    text = "kind: holdout\nkey: all\nname: Held\ndescription: D\nrate: 0.0125\nsalt: s\n"
    assert definition_of(text) == HoldoutDefinition(
        key="all", name="Held", description="D", rate_bp=125, salt="s"
    )


def test_metric__every_field__is_read() -> None:
    text = "kind: metric\nkey: rev\nname: Revenue\ndescription: D\ntype: sum\neventName: paid\n"
    assert definition_of(text) == MetricDefinition(
        key="rev", name="Revenue", description="D", type=MetricKind.SUM, event_name="paid"
    )


def test_segment__of_a_rule_and_segments__is_read() -> None:
    text = """\
kind: segment
key: mine
name: Mine
description: D
rule: {tier: pro, email: {$inGroup: vips}}
segments: [pros, vips]
"""
    assert definition_of(text, VIPS, PROS) == SegmentDefinition(
        key="mine",
        name="Mine",
        description="D",
        rule={"tier": "pro", "email": {"$inGroup": "vips"}},
        segments=("pros", "vips"),
    )


def test_segment__of_a_history__is_read() -> None:
    text = """\
kind: segment
key: buyers
rule: {tier: pro}
history:
  - {event: order, where: {value: {$gte: 50}, mail: {$inGroup: vips}}, count: 2, within: 30d}
  - {event: refund, performed: false}
  - {event: view, performed: true, count: null}
segments: [pros]
"""
    assert definition_of(text, VIPS, PROS) == SegmentDefinition(
        key="buyers",
        name="buyers",
        rule={"tier": "pro"},
        history=(
            HistoryConditionDefinition(
                event="order",
                where={"value": {"$gte": 50}, "mail": {"$inGroup": "vips"}},
                count=2,
                within_ms=30 * 86_400_000,
            ),
            HistoryConditionDefinition(event="refund", performed=False),
            HistoryConditionDefinition(event="view"),
        ),
        segments=("pros",),
    )


def test_segment__of_a_history__is_written_and_read_as_json() -> None:
    found = definition_of("kind: segment\nkey: s\nhistory: [{event: order, within: 1h}]\n")
    assert msgspec.json.decode(definition_to_json(found))["history"] == [
        {"event": "order", "withinMs": 3_600_000}
    ]
    assert definition_from_json(definition_to_json(found)) == found


CONDITIONS = "[" + "{event: a}, " * 21 + "]"


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ("[]", "4: history: []: empty; write a condition, as in [{event: order}]"),
        ("{event: order}", '4: history: {"event":"order"}: write a list, as in [a, b]'),
        ("[order]", '4: history[0]: "order": write a mapping of fields, as in {key: value}'),
        ("[{count: 2}]", "4: history[0].event: missing; it is required"),
        ("[{event: ''}]", '4: history[0].event: "": write a text, or leave the field out'),
        ("[{event: a, count: 0}]", "4: history[0].count: 0: write a whole number from 1 to 1000"),
        ("[{event: a, within: 30}]", "4: history[0].within: 30: write a whole number and its unit"),
        ("[{event: a, within: 500d}]", '4: history[0].within: "500d": write 400d at most'),
        ("[{event: a, performed: no}]", '4: history[0].performed: "no": write true or false'),
        ("[{event: a, were: {}}]", "4: history[0].were: {}: not a field here; did you mean where?"),
        (
            "[{event: a, where: {price: {$gtt: 1}}}]",
            "4: history[0].where.price.$gtt: 1: $gtt is not an operator; did you mean $gt?",
        ),
        (
            "[{event: a, where: {price: {$regex: '('}}}]",
            '4: history[0].where.price.$regex: "(": a group is not closed',
        ),
        (CONDITIONS, "21 items; use at most 20"),
    ],
)
def test_history__wrong__is_refused(history: str, problem: str) -> None:
    (found,) = problems_of(f"kind: segment\nkey: s\nname: S\nhistory: {history}")
    assert problem in found


def test_history__beside_a_list__is_refused() -> None:
    (found,) = problems_of("kind: segment\nkey: s\nvalues: [a]\nhistory: [{event: a}]")
    assert found.startswith('4: history: [{"event":"a"}]: not beside `values`')


def test_segment__of_segments_only__is_read() -> None:
    text = "kind: segment\nkey: mine\nsegments: [pros]\n"
    assert definition_of(text, PROS) == SegmentDefinition(
        key="mine", name="mine", segments=("pros",)
    )


def test_segment__of_values__is_read() -> None:
    text = "kind: segment\nkey: s\nvalues: [a, 'b']\nattribute: company.id\nsalt: x\n"
    assert definition_of(text) == SegmentDefinition(
        key="s", name="s", values=("a", "b"), attribute="company.id", salt="x"
    )


def test_segment__of_public_values__may_hold_numbers() -> None:
    text = "kind: segment\nkey: s\nvalues: [a, 1, 2.5]\npublic: true\n"
    assert definition_of(text) == SegmentDefinition(
        key="s", name="s", values=("a", 1, 2.5), is_public=True
    )


def test_segment__of_no_values_yet__is_read() -> None:
    assert definition_of("kind: segment\nkey: s\nvalues: []\n") == SegmentDefinition(
        key="s", name="s", values=()
    )


@pytest.mark.parametrize("attribute", ["plan", "accounts", "company.account", "größe", "a-b.c"])
def test_segment__attribute__may_be_any_path(attribute: str) -> None:
    found = definition_of(f"kind: segment\nkey: s\nvalues: [a]\nattribute: {attribute}\n")
    assert found == SegmentDefinition(key="s", name="s", values=("a",), attribute=attribute)


KEY_FIX = "start with a lower-case letter, then up to 63 of a-z 0-9 _ -"
VALUE_FIX = "a value is a text of 1 to 400 characters, or a number"
HASHED_FIX = (
    "a number is not hashed; quote it if the attribute is a text, or write `public: true` if "
    "everybody may read the list"
)
ATTRIBUTE_FIX = (
    "write the path of an attribute, as in plan or company.id; one of the account is looked up by "
    "a rule, as in account.id: {$inGroup: key}"
)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("kind: layer", ["1: key: missing; it is required"]),
        ("kind: layer\nkey: Page", [f'2: key: "Page": {KEY_FIX}']),
        (
            "kind: layer\nkey: page\nslat: x",
            [
                '3: slat: "x": not a field here; did you mean salt?',
            ],
        ),
        (
            "kind: layer\nkey: page\nsalt: 'a:b'",
            ['3: salt: "a:b": use 1 to 128 of A-Z a-z 0-9 . _ -'],
        ),
        (
            f"kind: layer\nkey: page\nname: {'n' * 201}",
            [f'3: name: "{"n" * 76}...: 201 characters; use at most 200'],
        ),
        (
            f"kind: layer\nkey: page\ndescription: {'n' * 4001}",
            [f'3: description: "{"n" * 76}...: 4001 characters; use at most 4000'],
        ),
        ("kind: holdout\nkey: h", ["1: rate: missing; it is required"]),
        (
            "kind: holdout\nkey: h\nrate: 5",
            ["3: rate: 5: write a decimal from 0 to 1; did you mean 0.05?"],
        ),
        (
            "kind: metric\nkey: m",
            ["1: type: missing; it is required", "1: eventName: missing; it is required"],
        ),
        (
            "kind: metric\nkey: m\ntype: conversions\neventName: e",
            [
                (
                    '3: type: "conversions": write one of conversion, count, sum, mean, ratio, '
                    "quantile; did you mean conversion?"
                )
            ],
        ),
        (
            f"kind: metric\nkey: m\ntype: sum\neventName: {'e' * 201}",
            [f'4: eventName: "{"e" * 76}...: 201 characters; use at most 200'],
        ),
        (
            "kind: segment\nkey: s",
            ["1: rule: missing; a segment has a rule, a history, segments, or a list of values"],
        ),
        (
            "kind: segment\nkey: s\nrule: {a: 1}\nattribute: a\npublic: true\nsalt: x",
            [
                '4: attribute: "a": for a list of `values` only; remove it',
                "5: public: true: for a list of `values` only; remove it",
                '6: salt: "x": for a list of `values` only; remove it',
            ],
        ),
        (
            "kind: segment\nkey: s\nvalues: [a]\nrule: {a: 1}\nsegments: [pros]",
            [
                (
                    '4: rule: {"a":1}: not beside `values`; write a segment with the rule that '
                    "names this list"
                ),
                (
                    '5: segments: ["pros"]: not beside `values`; write a segment with the rule '
                    "that names this list"
                ),
            ],
        ),
        (
            "kind: segment\nkey: s\nrule: {a: {$gtt: 1}, b: {$regex: '('}, c: {$gt: 1, d: 2}}",
            [
                "3: rule.a.$gtt: 1: $gtt is not an operator; did you mean $gt?",
                '3: rule.b.$regex: "(": a group is not closed (at character 2)',
                '3: rule.c: {"$gt":1,"d":2}: do not mix operators and plain keys',
            ],
        ),
        (
            "kind: segment\nkey: s\nrule: [a]",
            ['3: rule: ["a"]: write a mapping of fields, as in {key: value}'],
        ),
        (
            "kind: segment\nkey: s\nsegments: [prso]",
            ['3: segments[0]: "prso": no such segment; did you mean pros?'],
        ),
        (
            f"kind: segment\nkey: s\nsegments: [{', '.join(['pros'] * 51)}]",
            ["3: segments: [" + '"pros",' * 10 + '"pros"...: 51 items; use at most 50'],
        ),
        (
            "kind: segment\nkey: s\nvalues: a",
            ['3: values: "a": write a list, as in [a, b]'],
        ),
        (
            f"kind: segment\nkey: s\nvalues: ['', [a], null, true, 7, {'v' * 401}]",
            [
                f'3: values[0]: "": {VALUE_FIX}',
                f'3: values[1]: ["a"]: {VALUE_FIX}',
                f"3: values[2]: null: {VALUE_FIX}",
                f"3: values[3]: true: {VALUE_FIX}",
                f"3: values[4]: 7: {HASHED_FIX}",
                f'3: values[5]: "{"v" * 76}...: {VALUE_FIX}',
            ],
        ),
        (
            f"kind: segment\nkey: s\npublic: true\nvalues: [{', '.join(['a'] * 501)}]",
            [
                "4: values: [" + '"a",' * 19 + "...: 501 items; use at most 500, or leave out "
                "`public`"
            ],
        ),
    ],
)
def test_definition__wrong__is_refused(text: str, problems: list[str]) -> None:
    assert problems_of(text, PROS, VIPS) == problems


@pytest.mark.parametrize(
    "attribute", ["account", "account.id", "a..b", ".a", "a.", "a b", "$in", "''", "'a\tb'"]
)
def test_segment__attribute_that_is_no_path__is_refused(attribute: str) -> None:
    (problem,) = problems_of(f"kind: segment\nkey: s\nvalues: [a]\nattribute: {attribute}")
    assert problem.endswith(ATTRIBUTE_FIX)


def test_segment__with_more_values_than_fit__is_refused() -> None:
    values = ",".join(f"{number:x}" for number in range(0xA0000, 0xA0000 + 50_001))
    (problem,) = problems_of(f"kind: segment\nkey: s\nvalues: [{values}]")
    assert problem.endswith("50001 items; use at most 50000")


@pytest.mark.parametrize(
    ("operand", "fix"),
    [
        ("pros", "this segment is no list; name it under `segments`, or write its rule here"),
        ("vip", "no such segment; did you mean vips?"),
        ("[vips]", "name a list segment by its key"),
        ("1", "name a list segment by its key"),
    ],
)
def test_rule__group_that_is_no_list__is_refused(operand: str, fix: str) -> None:
    (problem,) = problems_of(
        f"kind: segment\nkey: s\nrule: {{a: {{$inGroup: {operand}}}}}", PROS, VIPS
    )
    assert problem.startswith("3: rule.a.$inGroup: ")
    assert problem.endswith(fix)


def test_segment__without_any_other__says_how_to_write_one() -> None:
    assert problems_of("kind: segment\nkey: s\nrule: {a: {$notInGroup: x}}") == [
        (
            '3: rule.a.$notInGroup: "x": no such segment; there is none yet: write one in a '
            "document of `kind: segment`"
        )
    ]
