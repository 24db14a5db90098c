"""Who was exposed and is left out: how many, and whether the arms lose alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from scipy.special import chdtrc

from fairlot.service.doctor.case import Case, percent
from fairlot.service.doctor.causes import KnownCause
from fairlot.service.doctor.holdouts import redraw_of
from fairlot.service.doctor.removals import removal_of
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.srm import BLOCKS_BELOW, WARNS_BELOW, homogeneity
from fairlot.stats.sufficient import Exclusion

_FEWEST: Final = 10
"""Of fewer subjects a chi-square says nothing."""
_MANY: Final = 0.01
_WORDS: Final = {
    Exclusion.SEVERAL_VARIANTS: "were seen in several variants",
    Exclusion.OTHER_REASON: "got a variant that was not drawn (diverted, by an adapter) or drawn"
    " before their first exposure",
    Exclusion.SWITCHED: "had another variant before they were recognised",
    Exclusion.EXCLUDED_ON_LOGIN: "logged in, and the experiment leaves them out then",
    Exclusion.UNKNOWN_VARIANT: "saw a variant that the manifest does not have",
    Exclusion.PUBLIC: "are known only from events that anyone could have sent",
}
_ADVICE: Final = {
    Exclusion.SEVERAL_VARIANTS: "Look for what changes a subject's id between requests: cookies"
    " that are not kept, two ids for one person, a cache that is shared.",
    Exclusion.OTHER_REASON: "Take divertTo and adapters away while you measure, or say"
    " adapterIsRandomised if the adapter draws by chance.",
    Exclusion.SWITCHED: "Decide by an id that is there before the login, or use onLogin: keep.",
    Exclusion.EXCLUDED_ON_LOGIN: "If the variants change who logs in, analyse with onLogin: keep.",
    Exclusion.UNKNOWN_VARIANT: "A variant that was removed while it ran cannot be analysed: start"
    " anew under a new key.",
    Exclusion.PUBLIC: "Record exposures where they are decided, on the server, not from the page.",
}


class _Cause(NamedTuple):
    """`said` follows the sentence of a finding; empty where nothing is known beside."""

    said: str
    advice: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Loss:
    """By variant; `p` is of the chi-square over all phases."""

    kept: dict[str, int]
    left_out: dict[str, int]
    chi_square: float
    p: float


def check_exclusions(case: Case) -> Iterator[Finding]:
    for exclusion in Exclusion:
        if exclusion is Exclusion.UNKNOWN_VARIANT:
            continue
        loss = loss_of(case, exclusion)
        if sum(loss.left_out.values()) < _FEWEST or loss.p >= WARNS_BELOW:
            continue
        cause = _cause_of(case, exclusion)
        spelled = ", ".join(
            f"{key} {percent(lost, lost + loss.kept.get(key, 0))}"
            for key, lost in loss.left_out.items()
        )
        yield Finding(
            code=FindingCode.EXCLUSIONS_DIFFER,
            severity=Severity.BLOCKS if loss.p < BLOCKS_BELOW else Severity.WARNS,
            summary=f"The arms lose different shares of subjects who {_WORDS[exclusion]}:"
            f" {spelled} (p = {loss.p:.3g}){cause.said}.",
            advice=f"Who is left differs between the arms. {cause.advice}",
            evidence={
                "exclusion": exclusion.value,
                "excluded": loss.left_out,
                "analysed": loss.kept,
                "chiSquare": loss.chi_square,
                "p": loss.p,
                **cause.evidence,
            },
        )


def check_several_variants(case: Case) -> Iterator[Finding]:
    yield from _if_many(case, Exclusion.SEVERAL_VARIANTS, FindingCode.SEVERAL_VARIANTS)


def check_switched(case: Case) -> Iterator[Finding]:
    yield from _if_many(case, Exclusion.SWITCHED, FindingCode.SWITCHED)


def check_unknown_variants(case: Case) -> Iterator[Finding]:
    yield from _if_many(case, Exclusion.UNKNOWN_VARIANT, FindingCode.EXCLUSIONS_DIFFER)


def loss_of(case: Case, exclusion: Exclusion) -> Loss:
    """Phases are compared apart, so that a change of shares is no difference."""
    squares, freedom = 0.0, 0
    kept: dict[str, int] = {}
    left_out: dict[str, int] = {}
    for phase in case.phases:
        exposed = case.exposed[phase.number]
        lost = case.excluded.get((exclusion, phase.number), {})
        keys = [arm.variant_key for arm in phase.arms]
        stay = [exposed.get(key, 0) for key in keys]
        gone = [lost.get(key, 0) for key in keys]
        chi_square, _ = homogeneity(stay, gone)
        if chi_square:
            squares += chi_square
            freedom += sum(1 for a, b in zip(stay, gone, strict=True) if a + b) - 1
        for key, a, b in zip(keys, stay, gone, strict=True):
            kept[key] = kept.get(key, 0) + a
            left_out[key] = left_out.get(key, 0) + b
    return Loss(kept, left_out, squares, _survival(squares, freedom))


def _survival(chi_square: float, freedom: int) -> float:
    return float(chdtrc(freedom, chi_square)) if freedom else 1.0


def _if_many(case: Case, exclusion: Exclusion, code: FindingCode) -> Iterator[Finding]:
    """Of subjects, each of whom counts once, however many variants it was seen in."""
    subjects = case.sufficient.left_out.get(exclusion, 0)
    if subjects <= _MANY * (case.analysed + subjects):
        return
    cause = _cause_of(case, exclusion)
    yield Finding(
        code=code,
        severity=Severity.WARNS,
        summary=f"{percent(subjects, case.analysed + subjects)} of the subjects ({subjects})"
        f" {_WORDS[exclusion]}; they are left out{cause.said}.",
        advice=cause.advice,
        evidence={
            "subjects": subjects,
            "analysed": case.analysed,
            "byVariant": dict(case.excluded_for(exclusion)),
            **cause.evidence,
        },
    )


def cause_of_redraws(case: Case) -> KnownCause | None:
    """Of most of those who were seen in several variants."""
    return removal_of(case) or redraw_of(case)


def _cause_of(case: Case, exclusion: Exclusion) -> _Cause:
    known = cause_of_redraws(case) if exclusion is Exclusion.SEVERAL_VARIANTS else None
    if known is None:
        return _Cause("", _ADVICE[exclusion], {})
    return _Cause(f"; {known.sentence}", known.advice, dict(known.evidence))
