"""Who may not approve: whoever wrote what nobody has approved yet."""

import pytest

from fairlot.service.authorship import authors_since_approval
from fairlot.store.revisions import RevisionStep


def steps(*written: str) -> list[RevisionStep]:
    """Of `author action status` each, the newest first."""
    return [RevisionStep(*each.split()) for each in reversed(written)]


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
