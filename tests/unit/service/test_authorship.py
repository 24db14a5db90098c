"""Who may not approve: whoever wrote what nobody has approved yet."""

import pytest

from fairlot.service.authorship import authors_since_approval
from fairlot.store.revisions import RevisionStep


def steps(*written: str) -> list[RevisionStep]:
    """Of `author action status text` each, the newest first. Without a text an edit has its own,
    and whatever else leaves the one before. `~` at the end of a text is layout."""
    found: list[RevisionStep] = []
    for number, each in enumerate(written):
        author, action, status, *text = each.split()
        edits = action in {"create", "update", "revert"}
        source = text[0] if text else str(number) if edits else found[-1].source
        document = source.rstrip("~").encode()
        found.append(RevisionStep(author, action, status, document, source))
    return found[::-1]


@pytest.mark.parametrize(
    ("history", "authors"),
    [
        (("anna create draft",), {"anna"}),
        (("anna create draft", "ben submit review"), {"anna"}),
        (("anna create draft", "ben update draft", "ben submit review"), {"anna", "ben"}),
        (("anna create draft", "ben revert review"), {"anna", "ben"}),
        (("anna create draft", "ben submit review", "carl comment review"), {"anna"}),
        (
            ("anna create review", "ben approve approved", "carl update review"),
            {"carl"},
        ),
        (
            (
                "anna create review",
                "ben approve approved",
                "carl update draft",
                "dora update draft",
            ),
            {"carl", "dora"},
        ),
        (
            ("anna create review", "ben approve approved", "ben comment approved"),
            {"anna"},
        ),
    ],
)
def test_authors_since_approval__of_a_history__are_who_wrote_what_nobody_approved(
    history: tuple[str, ...], authors: set[str]
) -> None:
    assert authors_since_approval(steps(*history)) == authors


def test_authors_since_approval__of_what_was_rejected_after_its_approval__are_all() -> None:
    history = steps(
        "anna create review",
        "ben approve approved",
        "carl reject draft",
        "dora update review",
    )
    assert authors_since_approval(history) == {"anna", "dora"}


@pytest.mark.parametrize(
    ("history", "authors"),
    [
        (
            (
                "anna create draft first",
                "ben update review",
                "carl approve approved",
                "ben revert review first",
            ),
            {"anna", "ben"},
        ),
        (
            (
                "anna create draft first",
                "ben update review",
                "carl approve approved",
                "dora update review first",
                "carl comment review",
            ),
            {"anna", "dora"},
        ),
        (
            (
                "anna create review first",
                "carl approve approved",
                "ben comment approved second",
                "ben update review",
                "carl approve approved",
                "dora revert review first",
            ),
            {"dora"},
        ),
        (
            (
                "anna create review first",
                "carl approve approved",
                "carl reject draft",
                "ben update review",
                "carl approve approved",
                "dora revert review first",
            ),
            {"anna", "dora"},
        ),
        (
            (
                "anna create draft",
                "ben update draft both",
                "dora update review",
                "carl approve approved",
                "eve revert review both",
            ),
            {"anna", "ben", "eve"},
        ),
        (
            (
                "anna create draft first",
                "ben update review",
                "carl approve approved",
                "dora revert draft first",
                "eve update draft",
                "eve revert draft first",
            ),
            {"anna", "dora", "eve"},
        ),
        (
            (
                "anna create draft first",
                "ben update review",
                "carl approve approved",
                "ben update review first~",
            ),
            {"anna", "ben"},
        ),
        (
            (
                "anna create review first",
                "carl approve approved",
                "ben update review",
                "ben update review first~",
            ),
            {"anna", "ben"},
        ),
    ],
    ids=[
        "never approved",
        "by a file",
        "once approved",
        "approval rejected",
        "written by two",
        "restored twice",
        "in another layout",
        "once approved, in another layout",
    ],
)
def test_authors_since_approval__of_a_text_written_again__are_those_it_had_unless_approved(
    history: tuple[str, ...], authors: set[str]
) -> None:
    assert authors_since_approval(steps(*history)) == authors
