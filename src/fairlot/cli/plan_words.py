"""The sentences of a plan, which its text and its Markdown share."""

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from fairlot.engine import Unit
from fairlot.service.plan_document import (
    WINDOW_DAYS,
    Basis,
    Cause,
    ChangeAction,
    Effect,
    KnownFigure,
    KnownSummary,
    NotInFiles,
    PlanDocument,
)

_MOST_PAIRS: Final = 4
_MOST_NAMES: Final = 50
_SMALLEST = Decimal("0.0001")
_UNITS = {Unit.SUBJECT: "subjects", Unit.ACCOUNT: "accounts"}
_BASES = {
    Basis.KNOWN: "known {units}",
    Basis.SEEN: "known {units} that were seen in it",
    Basis.REMEMBERED: "known {units} that are remembered in it",
}
_CAUSES = {
    Cause.CREATED: "it starts to answer",
    Cause.REMOVED: "it no longer answers",
    Cause.EXPERIMENT: "it changes itself",
    Cause.LAYER: "its layer changes",
    Cause.SEGMENT: "a segment changes",
    Cause.PROPERTY: "a property that it reads changes",
    Cause.HOLDOUT: "the holdout changes",
}
_ROLES: Final = {"isPrimary": "primary", "isGuardrail": "guardrail"}
_ACTIONS = {
    ChangeAction.CREATE: "to create",
    ChangeAction.UPDATE: "to change",
    ChangeAction.STATUS: "to change",
    ChangeAction.DELETE: "to delete",
    ChangeAction.NONE: "unchanged",
}


def percent(share: Decimal | Fraction) -> str:
    """With at most two decimals; what would look like nothing or all, but is not, is told so."""
    exact = Fraction(share)
    if exact and exact < Fraction(_SMALLEST):
        return "under 0.01 %"
    if exact < 1 and exact > 1 - Fraction(_SMALLEST):
        return "over 99.99 %"
    hundredths = Decimal(exact.numerator * 100) / exact.denominator
    rounded = hundredths.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{rounded.normalize():f} %"


def metric_words(value: Any) -> list[str] | None:
    """An experiment's metrics, one in words each: `ordered, primary`. None of anything else."""
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        return None
    return [_metric(each) for each in value]


def _metric(written: dict[str, Any]) -> str:
    rest = dict(written)
    name = rest.pop("metric", None) or rest.pop("key", None) or rest.pop("name", "")
    roles = [word for field, word in _ROLES.items() if rest.pop(field, False) is True]
    details = [
        f"{key} {value if isinstance(value, str) else _json(value)}" for key, value in rest.items()
    ]
    return ", ".join([str(name), *roles, *details])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def summary_of(document: PlanDocument) -> str:
    """`1 to create, 2 to change, 3 unchanged`."""
    numbers = dict.fromkeys(_ACTIONS.values(), 0)
    for change in document.changes:
        numbers[_ACTIONS[change.action]] += 1
    told = [f"{number:,} {action}" for action, number in numbers.items() if number]
    return ", ".join(told) or "nothing to do"


def known_line(known: KnownSummary) -> str:
    accounts = f" and {known.accounts:,} accounts" if known.accounts else ""
    return (
        f"Known are {known.subjects:,} subjects{accounts}, seen in exposures of the last"
        f" {WINDOW_DAYS} days."
    )


def not_in_files_line(absent: Sequence[NotInFiles]) -> str:
    names = [f"{each.kind} {each.key}" for each in absent]
    return f"In no file, and kept as they are: {_listed(names, _MOST_NAMES)}."


def causes_of(effect: Effect) -> str:
    return ", ".join(_CAUSES[cause] for cause in effect.causes)


def effect_sentences(effect: Effect) -> Iterator[str]:
    """The effect: a sentence about all of the eligible, and one or two about the known."""
    yield _eligible(effect)
    told = {
        "by the draw alone": effect.by_draw,
        "after sticky assignment": effect.after_sticky,
    }
    by_subjects: dict[str, list[str]] = {}
    for how, figure in told.items():
        if figure is not None:
            whose = f"{figure.subjects:,} {_BASES[figure.basis]}".format(units=_UNITS[effect.unit])
            by_subjects.setdefault(whose, []).append(f"{how} {_changing(figure)}")
    for whose, changes in by_subjects.items():
        yield f"Of {whose}, {', and '.join(changes)}."
    if (
        effect.after_sticky is not None
        and effect.remembered is not None
        and effect.remembered.shown
    ):
        yield f"{effect.remembered.shown:,} of them count as remembering what an SDK showed them."


def figure_cell(figure: KnownFigure | None) -> str:
    return "not countable" if figure is None else f"{figure.changed:,} of {figure.subjects:,}"


def share_cell(effect: Effect) -> str:
    told = percent(effect.share)
    return f"{told}, and who is eligible changes" if effect.changes_audience else told


def _eligible(effect: Effect) -> str:
    units = _UNITS[effect.unit]
    if effect.changes_audience and not effect.share:
        return f"The draws are the same for all {units} that stay eligible; who is, changes."
    if not effect.share:
        return f"None of the eligible {units} gets another answer."
    pairs = [f"{percent(pair.share)} {_move(pair.before, pair.after)}" for pair in effect.pairs]
    all_new = all(pair.before is None for pair in effect.pairs)
    do = "enter" if all_new else "get another answer"
    return f"{percent(effect.share)} of the eligible {units} {do}: {_listed(pairs)}."


def _changing(figure: KnownFigure) -> str:
    if not figure.changed:
        return "none changes"
    pairs = [f"{pair.subjects:,} {_move(pair.before, pair.after)}" for pair in figure.pairs]
    verb = "changes" if figure.changed == 1 else "change"
    return f"{figure.changed:,} {verb} ({_listed(pairs)})"


def _move(before: str | None, after: str | None) -> str:
    if before is None:
        return f"into {after}"
    return f"out of {before}" if after is None else f"{before} -> {after}"


def _listed(parts: Sequence[str], most: int = _MOST_PAIRS) -> str:
    shown, hidden = parts[:most], len(parts) - most
    more = f", and {hidden:,} more" if hidden > 0 else ""
    return ", ".join(shown) + more
