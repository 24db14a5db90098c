"""The variants of an experiment file: weights, control, payload, redirect."""

import pytest

from fairlot.engine import Variant
from support.experiment_texts import HEAD, problems_of_variants, spec_of

WEIGHT_FIX = "a weight is a whole number from 0 to 10000, and all sum to 10000"
THIRDS = "for a third each write 3333, 3333 and 3334"
PATH_FIX = "write a path of the same site with one leading /, as in /new"
UNSAFE_FIX = "no spaces, control characters or backslashes; percent-encode"


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
