"""Who wrote what an approval would let through."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from fairlot.service.lifecycle import Action, State
from fairlot.store.revisions import RevisionStep

COMMENT: Final = "comment"
"""What a revision is called that changes only comments or layout."""
_WRITES_NOTHING: Final = frozenset({*Action, COMMENT})


def authors_since_approval(steps: Sequence[RevisionStep]) -> frozenset[str]:
    """Of all edits after the content that was last approved; `steps` are those of an experiment,
    the newest first. An approval that was rejected again approves nothing."""
    authors = set[str]()
    for step, before in pairwise((*steps, None)):
        if step is None or step.action in _WRITES_NOTHING:
            continue
        authors.add(step.author)
        if before is not None and before.status == State.APPROVED:
            break
    return frozenset(authors)
