"""A plan for the terminal."""

import textwrap
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import click
import msgspec
from msgspec import UNSET

from fairlot.cli.plan_words import (
    causes_of,
    effect_sentences,
    known_line,
    metric_words,
    not_in_files_line,
    summary_of,
)
from fairlot.manifest.problems import printable
from fairlot.service.plan_document import (
    ChangeAction,
    ChangedKind,
    Effect,
    FieldChange,
    PlanDocument,
    PlannedChange,
)

_SYMBOLS: Final = {
    ChangeAction.CREATE: "+",
    ChangeAction.UPDATE: "~",
    ChangeAction.STATUS: "~",
    ChangeAction.DELETE: "-",
}
_COLOURS: Final = {
    "+": "green",
    "~": "yellow",
    "-": "red",
    "!": "magenta",
    "?": "cyan",
    "*": "yellow",
}
_LONGEST_VALUE: Final = 160
_NARROWEST: Final = 40
_ARROW: Final = " -> "
_UNBROKEN_ARROW: Final = "\xa0->\xa0"


class _Line(NamedTuple):
    """`symbol` is empty for a line that goes on with what the one before began."""

    indent: int
    symbol: str
    text: str


def plan_text(document: PlanDocument, *, width: int, colour: bool) -> str:
    """The plan in lines of at most `width` characters (40 at least), unless a word is longer."""
    blocks = (
        "\n".join(_written(line, max(width, _NARROWEST), colour=colour) for line in block)
        for block in _blocks(document)
    )
    return "\n\n".join(blocks)


def value_text(value: Any) -> str:
    """As JSON; a long one is cut, with its length."""
    text = printable(msgspec.json.encode(value).decode())
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[:_LONGEST_VALUE]}... ({len(text):,} characters)"


def _blocks(document: PlanDocument) -> Iterator[list[_Line]]:
    effects = {effect.experiment: effect for effect in document.effects}
    for change in document.changes:
        if change.action is not ChangeAction.NONE:
            own = effects.pop(change.key, None) if change.kind is ChangedKind.EXPERIMENT else None
            yield [*_change(change), *(_effect(own) if own is not None else ())]
    for effect in effects.values():
        title = f"experiment {effect.experiment}, because {causes_of(effect)}"
        yield [_Line(0, "*", title), *_effect(effect)]
    if document.warnings:
        yield [_Line(0, "!", f"{each.about}: {each.sentence}") for each in document.warnings]
    yield [*_ending(document)]


def _change(change: PlannedChange) -> Iterator[_Line]:
    yield _Line(0, _SYMBOLS[change.action], f"{change.kind} {change.key}")
    for field in change.fields:
        yield from _metrics(field) if field.path == "metrics" else (_field(field),)
    for note in change.notes:
        yield _Line(4, "", note)


def _field(field: FieldChange) -> _Line:
    if field.before is UNSET and field.after is UNSET:
        return _Line(4, "~", field.path)
    if field.before is UNSET:
        return _Line(4, "+", f"{field.path}: {value_text(field.after)}")
    if field.after is UNSET:
        return _Line(4, "-", f"{field.path}: {value_text(field.before)}")
    return _Line(4, "~", f"{field.path}: {value_text(field.before)} -> {value_text(field.after)}")


def _metrics(field: FieldChange) -> Iterator[_Line]:
    """One a line: those that come, and those that go."""
    before, after = (
        [] if value is UNSET else metric_words(value) for value in (field.before, field.after)
    )
    told = [
        *(("-", each) for each in before or () if each not in (after or ())),
        *(("+", each) for each in after or () if each not in (before or ())),
    ]
    if before is None or after is None or not told:
        yield _field(field)
    for symbol, words in told if before is not None and after is not None else ():
        yield _Line(4, symbol, f"metric {words}")


def _effect(effect: Effect) -> Iterator[_Line]:
    for sentence in effect_sentences(effect):
        yield _Line(4, "", sentence)
    for reshuffle in effect.reshuffles:
        yield _Line(4, "!", f"Reshuffles. {reshuffle.sentence}")
    for gap in effect.not_countable:
        yield _Line(4, "?", f"Not countable. {gap.sentence}")


def _ending(document: PlanDocument) -> Iterator[_Line]:
    if document.not_in_files:
        yield _Line(0, "", not_in_files_line(document.not_in_files))
    if document.known is not None:
        yield _Line(0, "", known_line(document.known))
    yield _Line(0, "", f"Plan for {document.org}/{document.project}: {summary_of(document)}.")


def _written(line: _Line, width: int, *, colour: bool) -> str:
    head = f"{' ' * line.indent}{line.symbol} " if line.symbol else " " * line.indent
    text = printable(line.text)
    wrapped = textwrap.fill(
        text if line.symbol else text.replace(_ARROW, _UNBROKEN_ARROW),
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ).replace(_UNBROKEN_ARROW, _ARROW)
    if not colour or not line.symbol:
        return wrapped
    symbol = click.style(line.symbol, fg=_COLOURS[line.symbol], bold=True)
    return wrapped.replace(line.symbol, symbol, 1)
