"""A plan for a comment on a pull request.

What people have written stands in `code` elements, where nothing becomes a link, a mention or a
reference, with every character that could be markup as an entity.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from msgspec import UNSET

from fairlot.cli.plan_text import value_text
from fairlot.cli.plan_words import (
    causes_of,
    effect_sentences,
    figure_cell,
    known_line,
    metric_words,
    not_in_files_line,
    share_cell,
    summary_of,
)
from fairlot.manifest.problems import printable
from fairlot.service.plan_document import (
    ChangeAction,
    Effect,
    PlanDocument,
    PlannedChange,
)

T = TypeVar("T")

# A comment holds 65,536 characters.
_LONGEST: Final = 60_000
_MOST_ROWS: Final = 30
_MARKUP: Final = {ord(each): f"&#{ord(each)};" for each in "&<>|`*_[]\\~"}
_IN_CODE: Final = _MARKUP | {ord(each): f"&#{ord(each)};" for each in ":@#"}
# Platforms look for links, mentions and references in what entities stand for, too.
_APART: Final = "\u200b"
_IN_SENTENCE: Final = _MARKUP | {ord("@"): "@&#8203;", ord("#"): "#&#8203;", ord(_APART): "&#8203;"}


def plan_markdown(document: PlanDocument) -> str:
    """At most 60,000 characters: fields that do not fit are left out, and this is said."""
    told = [*_overview(document)]
    length, hidden = sum(map(len, told)), 0
    for change in document.changes:
        if change.fields:
            block = _fields(change)
            length += len(block)
            if length < _LONGEST:
                told.append(block)
            else:
                hidden += 1
    if hidden:
        told.append(f"The fields of {hidden:,} more changes do not fit into a comment.")
    return "\n\n".join(told) + "\n"


def code(text: str) -> str:
    """Text of any kind, on one line, as it is."""
    return f"<code>{printable(text).translate(_IN_CODE)}</code>"


def sentence(text: str) -> str:
    """A sentence of ours, which may quote someone: it links, names and notifies nobody."""
    told = printable(text).replace("://", f":{_APART}//").replace("www.", f"www{_APART}.")
    return told.translate(_IN_SENTENCE)


def _overview(document: PlanDocument) -> Iterator[str]:
    yield f"### Plan for {code(f'{document.org}/{document.project}')}: {summary_of(document)}"
    changes = [each for each in document.changes if each.action is not ChangeAction.NONE]
    if changes:
        yield _table(("action", "of", "notes"), map(_change_row, changes))
    if document.effects:
        yield _table(
            (
                "experiment",
                "because",
                "eligible",
                "by the draw alone",
                "after sticky assignment",
            ),
            map(_effect_row, document.effects),
        )
        yield _list(map(_effect_item, document.effects))
    if document.warnings:
        yield "**Warnings**"
        yield _list(f"{code(each.about)}: {sentence(each.sentence)}" for each in document.warnings)
    if document.not_in_files:
        yield sentence(not_in_files_line(document.not_in_files))
    if document.known is not None:
        yield known_line(document.known)


def _change_row(change: PlannedChange) -> tuple[str, ...]:
    notes = " ".join(map(sentence, change.notes))
    return str(change.action), f"{change.kind} {code(change.key)}", notes


def _effect_row(effect: Effect) -> tuple[str, ...]:
    return (
        code(effect.experiment),
        causes_of(effect),
        share_cell(effect),
        figure_cell(effect.by_draw),
        figure_cell(effect.after_sticky),
    )


def _effect_item(effect: Effect) -> str:
    told = [*effect_sentences(effect)]
    told += [f"Reshuffles. {each.sentence}" for each in effect.reshuffles]
    told += [f"Not countable. {each.sentence}" for each in effect.not_countable]
    return f"{code(effect.experiment)}: {' '.join(map(sentence, told))}"


def _fields(change: PlannedChange) -> str:
    title = f"<summary>{change.kind} {code(change.key)}</summary>"
    rows = (
        (code(field.path), *(_value(field.path, each) for each in (field.before, field.after)))
        for field in change.fields
    )
    return f"<details>{title}\n\n{_table(('field', 'before', 'after'), rows)}\n\n</details>"


def _value(path: str, value: Any) -> str:
    if value is UNSET:
        return ""
    words = metric_words(value) if path == "metrics" else None
    return code(value_text(value)) if words is None else "<br>".join(map(code, words))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    shown, more = _first(list(rows))
    lines = [titles, ["---"] * len(titles), *shown]
    if more:
        lines.append([more, *[""] * (len(titles) - 1)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(items: Iterable[str]) -> str:
    shown, more = _first(list(items))
    return "\n".join(f"- {item}" for item in [*shown, *([more] if more else [])])


def _first(items: Sequence[T]) -> tuple[Sequence[T], str]:
    """As many as are shown, and how many more there are, in words."""
    hidden = len(items) - _MOST_ROWS
    return items[:_MOST_ROWS], f"and {hidden:,} more" if hidden > 0 else ""
