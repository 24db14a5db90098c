"""Who wrote what an approval would let through."""

from collections.abc import Iterator, Sequence
from typing import Final

from fairlot.service.lifecycle import Action, State
from fairlot.store.revisions import RevisionStep

COMMENT: Final = "comment"
"""What a revision is called that changes only comments or layout."""
_WRITES_NOTHING: Final = frozenset({*Action, COMMENT})


def authors_since_approval(steps: Sequence[RevisionStep]) -> frozenset[str]:
    """Of all edits after the content that was last approved; `steps` are those of an experiment,
    the newest first. An approval that was rejected again approves nothing.

    An earlier content that is written again, by a revert or a file, has the authors that it had
    then, unless it was approved with the same text: that says more, as what is measured.
    """
    history = steps[::-1]
    approved = frozenset(_approved_texts(history))
    authors = set[str]()
    seen = set[int]()
    to_visit = [len(history) - 1]
    while to_visit:
        at = to_visit.pop()
        if at < 0 or at in seen:
            continue
        seen.add(at)
        step = history[at]
        if not _writes(step):
            to_visit.append(at - 1)
            continue
        authors.add(step.author)
        if at > 0 and history[at - 1].status != State.APPROVED:
            to_visit.append(at - 1)
        if step.source not in approved:
            to_visit.append(_written_before(history, at))
    return frozenset(authors)


def _writes(step: RevisionStep) -> bool:
    return step.action not in _WRITES_NOTHING


def _approved_texts(history: Sequence[RevisionStep]) -> Iterator[str]:
    """Of contents that were approved when somebody wrote the next one, or are now."""
    texts: list[str] = []
    for at, step in enumerate(history):
        if _writes(step):
            texts = []
        texts.append(step.source)
        is_last = at + 1 == len(history) or _writes(history[at + 1])
        if is_last and step.status == State.APPROVED:
            yield from texts


def _written_before(history: Sequence[RevisionStep], at: int) -> int:
    """Where the same content or text stood there last; -1 if it never did."""
    step = history[at]
    for earlier in range(at - 1, -1, -1):
        if history[earlier].document == step.document or history[earlier].source == step.source:
            return earlier
    return -1
