"""What is said of a wrong experiment file, with line, path, value and fix."""

import pytest

from support.experiment_texts import HEAD, VARIANTS, problems_of, problems_with, with_lines

NO_NUL = "has the character U+0000, which PostgreSQL cannot keep; remove it"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "recheckAudience: on",
            '3: recheckAudience: "on": write true or false',
        ),
        ("manualExposure: 1", "3: manualExposure: 1: write true or false"),
        ("nme: x", '3: nme: "x": not a field here; did you mean name?'),
        (
            "hashVersion: 2",
            "3: hashVersion: 2: no file changes how subjects are hashed; leave it out",
        ),
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
