"""Who was exposed: the arms of an experiment, and whether they have the sizes that they should."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from math import isfinite, prod
from typing import Final

from fairlot.stats.results import ArmSummary, SrmResult
from fairlot.stats.srm import SampleRatio, combined, srm
from fairlot.stats.sufficient import Arm, Exclusion, Phase, Sufficient

_OF_ARMS: Final = frozenset(Exclusion) - {Exclusion.UNKNOWN_VARIANT}


def arms_of(phases: tuple[Phase, ...]) -> tuple[Arm, ...]:
    """Of all phases; as the last of them that has it knows each."""
    known: dict[str, Arm] = {}
    for phase in phases:
        known.update((arm.variant_key, arm) for arm in phase.arms)
    return tuple(known.values())


def control_of(phases: tuple[Phase, ...]) -> str | None:
    """None where nothing is compared: one variant, and no control share."""
    controls = [arm.variant_key for arm in arms_of(phases) if arm.is_control]
    return controls[-1] if controls else None


def summaries_of(sufficient: Sufficient, names: Mapping[str, str]) -> tuple[ArmSummary, ...]:
    phases = sufficient.question.phases
    exposed, daily = _exposed(sufficient), _daily(sufficient)
    excluded: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in sufficient.excluded:
        excluded[each.variant_key][each.exclusion.value] += each.subjects
    return tuple(
        ArmSummary(
            variant=arm.variant_key,
            name=names.get(arm.variant_key, arm.variant_key),
            is_control=arm.variant_key == control_of(phases),
            share=_expected_share(phases, exposed, arm.variant_key),
            exposed=sum(exposed[phase.number, arm.variant_key] for phase in phases),
            excluded=dict(excluded[arm.variant_key]),
            daily=daily[arm.variant_key],
        )
        for arm in arms_of(phases)
    )


def sample_ratio(sufficient: Sufficient) -> SrmResult | None:
    """Per phase, and multiplied. None of one arm, or of nobody."""
    phases = sufficient.question.phases
    exposed = _exposed(sufficient)
    if not exposed or max(len(phase.arms) for phase in phases) < 2:
        return None
    before = exposed.copy()
    for each in sufficient.excluded:
        if each.exclusion in _OF_ARMS:
            before[each.phase, each.variant_key] += each.subjects
    after = _over_phases(phases, exposed)
    return SrmResult(
        p=after.p,
        chi_square=after.chi_square if isfinite(after.chi_square) else None,
        chi_square_p=after.chi_square_p,
        p_before_exclusions=_over_phases(phases, before).p,
    )


def chance_of_nobody(sufficient: Sufficient, variant_key: str) -> float:
    """How probably none of those who were exposed was drawn for that arm."""
    of_phases = Counter[int]()
    for row in sufficient.rows:
        of_phases[row.phase] += row.exposed
    return prod(
        (1 - arm.share) ** of_phases[phase.number]
        for phase in sufficient.question.phases
        for arm in phase.arms
        if arm.variant_key == variant_key
    )


def _over_phases(phases: tuple[Phase, ...], counts: Counter[tuple[int, str]]) -> SampleRatio:
    return combined(
        srm(
            [counts[phase.number, arm.variant_key] for arm in phase.arms],
            [arm.share for arm in phase.arms],
        )
        for phase in phases
    )


def _exposed(sufficient: Sufficient) -> Counter[tuple[int, str]]:
    """By phase and arm."""
    found: Counter[tuple[int, str]] = Counter()
    for row in sufficient.rows:
        found[row.phase, row.variant_key] += row.exposed
    return found


def _daily(sufficient: Sufficient) -> defaultdict[str, dict[date, int]]:
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for row in sorted(sufficient.rows, key=lambda each: each.day):
        days = found[row.variant_key]
        days[row.day] = days.get(row.day, 0) + row.exposed
    return found


def _expected_share(
    phases: tuple[Phase, ...], exposed: Counter[tuple[int, str]], variant: str
) -> float:
    """Of all who were exposed; before anybody was, that of the last phase."""
    totals = {
        phase.number: sum(exposed[phase.number, arm.variant_key] for arm in phase.arms)
        for phase in phases
    }
    whole = sum(totals.values())
    weights = (
        {number: total / whole for number, total in totals.items()}
        if whole
        else {phases[-1].number: 1.0}
    )
    return sum(
        weights.get(phase.number, 0.0) * arm.share
        for phase in phases
        for arm in phase.arms
        if arm.variant_key == variant
    )
