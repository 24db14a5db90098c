"""What activates a personalization: what it becomes, and what is refused."""

import pytest

from fairlot.engine import ActivationRule, EventRule, ExperimentType
from fairlot.manifest.definitions import SegmentDefinition
from support.experiment_texts import HEAD, problems_of, spec_of

TYPE = "type: personalization\n"
VARIANT = "variants: [{key: a, name: A}]\n"
VIPS = SegmentDefinition(key="vips", name="VIPs", values=("v",))


def activation_of(lines: str) -> ActivationRule | None:
    return spec_of(f"{HEAD}{TYPE}{lines}\n{VARIANT}", VIPS).experiment.activation


def problems_with(lines: str) -> list[str]:
    return problems_of(f"{HEAD}{TYPE}{lines}\n{VARIANT}", VIPS)


def test_activation__smallest__has_the_documented_defaults() -> None:
    assert activation_of("when: {event: viewed_pricing}") == ActivationRule(
        EventRule("viewed_pricing"), control_share_bp=1000
    )


def test_activation__every_field__is_read() -> None:
    lines = """\
when: {event: view, where: {page: pricing, mail: {$inGroup: vips}}, count: 3, within: 7d}
for: 12h
limit: 2
controlShare: 0
"""
    where = {"page": "pricing", "mail": {"$inGroup": "vips"}}
    assert activation_of(lines) == ActivationRule(
        EventRule("view", where, 3, 7 * 86_400_000), 12 * 3_600_000, 2, 0
    )


def test_activation__absent_or_null__is_none() -> None:
    assert activation_of("for: null") is None
    spec = spec_of(f"{HEAD}{TYPE}{VARIANT}")
    assert spec.experiment.activation is None
    assert not spec.experiment.variants[0].is_control


def test_activation__its_variants__hold_no_control() -> None:
    spec = spec_of(f"{HEAD}{TYPE}when: {{event: view}}\n{VARIANT}")
    assert spec.experiment.type is ExperimentType.PERSONALIZATION
    assert not spec.experiment.variants[0].is_control


ONLY_WITH = "only with `when`, what activates it; remove it"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("for: 7d", f'4: for: "7d": {ONLY_WITH}'),
        ("limit: 1", f"4: limit: 1: {ONLY_WITH}"),
        ("controlShare: 0.1", f"4: controlShare: 0.1: {ONLY_WITH}"),
        ("when:", "4: when: empty; indent its parts below it, or remove the line"),
        ("when: view", '4: when: "view": write a mapping of fields, as in {key: value}'),
        ("when: {count: 2}", "4: when.event: missing; it is required"),
        (
            "when: {event: view}\nlimit: 0",
            "5: limit: 0: write a whole number from 1 to 1000000",
        ),
        ("when: {event: view}\nfor: 401d", '5: for: "401d": write 400d at most'),
        (
            "when: {event: view}\ncontrolShare: 10",
            "5: controlShare: 10: write a decimal from 0 to 1; did you mean 0.1?",
        ),
        (
            "when: {event: view, where: {a: {$inGroup: nobody}}}",
            '4: when.where.a.$inGroup: "nobody": no such segment; known: vips',
        ),
    ],
)
def test_activation__wrong__is_refused(lines: str, problem: str) -> None:
    assert problems_with(lines) == [problem]


def test_activation__of_another_type__is_refused() -> None:
    text = f"{HEAD}when: {{event: view}}\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"
    assert problems_of(text) == [
        '3: when: {"event":"view"}: only with `type: personalization`; write that, or remove it'
    ]


def test_activation__variant_keyed_control__is_refused() -> None:
    variants = "variants: [{key: a, name: A}, {key: control, name: C}]\n"
    (found,) = problems_of(f"{HEAD}{TYPE}when: {{event: view}}\n{variants}")
    fix = "with `when` the control is the control share; choose another key"
    assert found == f'5: variants[1].key: "control": {fix}'


def test_activation__variant_marked_as_control__is_refused() -> None:
    variants = "variants: [{key: a, name: A, isControl: true}]\n"
    assert problems_of(f"{HEAD}{TYPE}when: {{event: view}}\n{variants}") == [
        "5: variants[0].isControl: true: with `when` the control is the control share; remove it"
    ]
