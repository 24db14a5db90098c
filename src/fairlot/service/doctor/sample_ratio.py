"""Whether the arms have the sizes that were drawn for, and if not, where they went wrong."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fairlot.service.doctor.case import Case
from fairlot.service.doctor.causes import KnownCause
from fairlot.service.doctor.exclusions import cause_of_redraws
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.srm import SampleRatio, combined, srm
from fairlot.stats.sufficient import Phase, Sufficient

_LEAST: Final = 50
"""Fewer subjects with a value say nothing of it."""
_MOST_VALUES: Final = 200
_ADVICE: Final = (
    "Do not read the result. Find what loses or adds subjects of one arm (redirects, crashes, bots,"
    " late exposures, a filter that differs), mend it, and start anew under a new key."
)
_Counts = dict[int, Counter[str]]


@dataclass(frozen=True, slots=True)
class Split:
    """A dimension of subjects: its name, and how many there are of each value, by phase."""

    name: str
    values: Mapping[str, _Counts]


@dataclass(frozen=True, slots=True)
class Suspect:
    """`rest` is the ratio of all that have another value."""

    dimension: str
    value: str
    own: SampleRatio
    rest: SampleRatio
    subjects: dict[str, int]


def check_sample_ratio(case: Case) -> Iterator[Finding]:
    ratio = ratio_of(case.exposed, case.phases)
    if not (ratio.blocks or ratio.warns):
        return
    known = _redraws_behind(case)
    suspects = [] if known is not None else list(suspects_of(case))
    cause = _said(suspects) if known is None else f"; {known.sentence}"
    seen = _sizes(case.exposed, case.phases)
    spelled = ", ".join(f"{key} {count}" for key, count in seen.items())
    yield Finding(
        code=FindingCode.SAMPLE_RATIO_MISMATCH,
        severity=Severity.BLOCKS if ratio.blocks else Severity.WARNS,
        summary=f"The arms have not the sizes that were drawn for ({spelled}; p ="
        f" {ratio.p:.3g}, chi-square p = {ratio.chi_square_p:.3g}){cause}.",
        advice=_ADVICE if known is None else known.advice,
        evidence={
            "p": ratio.p,
            "chiSquare": ratio.chi_square,
            "chiSquareP": ratio.chi_square_p,
            "exposed": seen,
            "expected": _expected(case),
            "suspects": [_evidence(each) for each in suspects[:5]],
            **({} if known is None else known.evidence),
        },
    )


def _redraws_behind(case: Case) -> KnownCause | None:
    """Their cause, where the ratio is right with the subjects who were drawn anew."""
    known = cause_of_redraws(case)
    if known is None:
        return None
    ratio = ratio_of(known.restored, case.phases)
    return None if ratio.blocks or ratio.warns else known


def ratio_of(counts: Mapping[int, Mapping[str, int]], phases: tuple[Phase, ...]) -> SampleRatio:
    """Each phase against its own shares."""
    return combined(
        srm(
            [counts.get(phase.number, {}).get(arm.variant_key, 0) for arm in phase.arms],
            [arm.share for arm in phase.arms],
        )
        for phase in phases
    )


def suspects_of(case: Case) -> Iterator[Suspect]:
    """Values without which the ratio is right, those first that are the clearest."""
    found: list[Suspect] = []
    for read in _SPLITS:
        split = read(case)
        if 1 < len(split.values) <= _MOST_VALUES:
            found += _suspects_in(split, case.phases)
    yield from sorted(found, key=lambda each: (-each.rest.chi_square_p, each.own.chi_square_p))


def _suspects_in(split: Split, phases: tuple[Phase, ...]) -> Iterator[Suspect]:
    for value, counts in split.values.items():
        own = ratio_of(counts, phases)
        if _total(counts) < _LEAST or not (own.blocks or own.warns):
            continue
        others: _Counts = defaultdict(Counter)
        for other, theirs in split.values.items():
            if other != value:
                for phase, arms in theirs.items():
                    others[phase].update(arms)
        rest = ratio_of(others, phases)
        if _total(others) >= _LEAST and not (rest.blocks or rest.warns):
            yield Suspect(split.name, value, own, rest, _sizes(counts, phases))


def _sizes(counts: Mapping[int, Mapping[str, int]], phases: tuple[Phase, ...]) -> dict[str, int]:
    """By variant, of all phases; arms without subjects too."""
    sizes = {arm.variant_key: 0 for phase in phases for arm in phase.arms}
    for arms in counts.values():
        for key, count in arms.items():
            sizes[key] = sizes.get(key, 0) + count
    return dict(sorted(sizes.items()))


def _total(counts: Mapping[int, Mapping[str, int]]) -> int:
    return sum(sum(arms.values()) for arms in counts.values())


def _by_day(case: Case) -> Split:
    values: dict[str, _Counts] = {}
    for row in case.sufficient.rows:
        counts = values.setdefault(row.day.isoformat(), defaultdict(Counter))
        counts[row.phase][row.variant_key] += row.exposed
    return Split("day", values)


def _by_column(name: str, column: str) -> Callable[[Case], Split]:
    def read(case: Case) -> Split:
        return Split(name, _by_segment(case.split_by(column)))

    return read


def _by_segment(found: Sufficient) -> dict[str, _Counts]:
    values: dict[str, _Counts] = {}
    for row in found.rows:
        counts = values.setdefault(row.segment or "(none)", defaultdict(Counter))
        counts[row.phase][row.variant_key] += row.exposed
    return values


_SPLITS: Final[tuple[Callable[[Case], Split], ...]] = (
    _by_day,
    _by_column("device", "device"),
    _by_column("source", "source"),
    _by_column("reason", "reason"),
    _by_column("manifest version", "manifest_version"),
)


def _said(suspects: list[Suspect]) -> str:
    if not suspects:
        return "; no single day, device, source, reason or version explains it"
    first = suspects[0]
    sizes = ", ".join(f"{key} {count}" for key, count in first.subjects.items())
    return (
        f"; likely {first.dimension} {first.value} ({sizes}): without it the sizes are right"
        f" (p = {first.rest.chi_square_p:.2g})"
    )


def _expected(case: Case) -> dict[str, float]:
    expected: defaultdict[str, float] = defaultdict(float)
    for phase in case.phases:
        total, whole = sum(case.exposed[phase.number].values()), sum(a.share for a in phase.arms)
        for arm in phase.arms:
            expected[arm.variant_key] += total * arm.share / whole if whole else 0
    return {key: round(value, 1) for key, value in sorted(expected.items())}


def _evidence(suspect: Suspect) -> dict[str, Any]:
    return {
        "dimension": suspect.dimension,
        "value": suspect.value,
        "exposed": suspect.subjects,
        "chiSquareP": suspect.own.chi_square_p,
        "chiSquarePWithout": suspect.rest.chi_square_p,
    }
