"""What is warned of when something that runs may be meant under another key."""

import pytest

from fairlot.service.plan_document import PlanWarning
from unit.service.conftest import Apply

VARIANTS = "[{key: a, name: A, payload: {text: Buy}}, {key: b, name: B}]"
OTHERS = "[{key: a, name: A, payload: {text: Take}}, {key: b, name: B}]"


def yaml(key: str, *lines: str, name: str = "Button", variants: str = VARIANTS) -> str:
    return "\n".join((f"key: {key}", f"name: {name}", *lines, f"variants: {variants}", ""))


@pytest.mark.parametrize("status", ["running", "paused"])
@pytest.mark.parametrize("allow_deletes", [False, True])
@pytest.mark.parametrize(
    ("new", "what"),
    [
        (yaml("uno"), "name"),
        (yaml("uno", "sampleRate: 0.5", name="Button", variants=OTHERS), "name"),
        (yaml("uno", "status: draft", name="Knob"), "variants"),
    ],
)
def test_apply__new_key_beside_what_runs_and_is_in_no_file__is_warned_of(
    apply: Apply, new: str, what: str, status: str, allow_deletes: bool
) -> None:
    apply(yaml("one", f"status: {status}"))
    applied = apply(new, allow_deletes=allow_deletes)
    assert applied.warnings == (
        PlanWarning(
            code="another_key",
            about="experiment:uno",
            sentence=f"has the {what} of one, which is {status} and in no file: a key cannot"
            " change, and one stays as it is beside it; write key: one if it is the same"
            " experiment",
        ),
    )
    assert [each.key for each in applied.not_in_files] == ["one"]


@pytest.mark.parametrize(
    ("before", "files"),
    [
        ("running", (yaml("one"), yaml("uno"))),
        ("running", (yaml("uno", name="Knob", variants=OTHERS),)),
        ("completed", (yaml("uno"),)),
        ("draft", (yaml("uno"),)),
    ],
)
def test_apply__new_key_beside_what_is_not_meant__is_not_warned_of(
    apply: Apply, before: str, files: tuple[str, ...]
) -> None:
    apply(yaml("one", f"status: {before}"))
    assert apply(*files).warnings == ()


@pytest.mark.parametrize(
    "variants",
    [
        "[{key: control, name: Control}, {key: treatment, name: Treatment}]",
        "[{key: off, name: Off, payload: false}, {key: on, name: On, payload: true}]",
    ],
)
def test_apply__new_key_with_the_variants_of_most_experiments__is_not_warned_of(
    apply: Apply, variants: str
) -> None:
    apply(yaml("checkout", name="Checkout", variants=variants))
    assert apply(yaml("newsletter", name="Newsletter", variants=variants)).warnings == ()


def test_apply__new_keys_beside_many_alike__are_warned_of_once_each(apply: Apply) -> None:
    apply(*(yaml(f"old{at}", name="Button" if at == 2 else f"Old {at}") for at in range(3)))
    warnings = apply(yaml("uno"), yaml("dos", name="Knob")).warnings
    assert [(each.about, each.sentence.partition(",")[0]) for each in warnings] == [
        ("experiment:uno", "has the name of old2"),
        ("experiment:dos", "has the variants of old0"),
    ]


def test_apply__again__warns_no_more(apply: Apply) -> None:
    apply(yaml("one"))
    assert apply(yaml("uno")).warnings
    assert apply(yaml("uno")).warnings == ()
    assert apply(yaml("uno", "priority: 1")).warnings == ()
