"""Variants that were taken away while the experiment ran: whoever had one is drawn anew."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.service.doctor.causes import KnownCause
from fairlot.stats.sufficient import Exclusion, Phase

_START_ANEW: Final = (
    "Start anew under a new key, without the variant. The next time let it run to the end: a"
    " variant that is taken away takes its subjects out of the result."
)
_MOST: Final = 0.5


def removal_of(case: Case) -> KnownCause | None:
    """None where most of those who were seen in several variants had none that was removed."""
    several = case.excluded_for(Exclusion.SEVERAL_VARIANTS)
    versions = {
        key: version for key, version in removed_variants(case.phases).items() if several[key]
    }
    subjects = sum(several[key] for key in versions)
    if not subjects or subjects < _MOST * case.sufficient.left_out[Exclusion.SEVERAL_VARIANTS]:
        return None
    removed = " and ".join(
        f"{key} was removed in version {version}" for key, version in versions.items()
    )
    return KnownCause(
        sentence=f"{removed}, and {subjects} of its subjects, who came back, were drawn anew",
        advice=_START_ANEW,
        evidence={"removed": versions},
        restored=_with_the_removed(case, versions),
    )


def removed_variants(phases: tuple[Phase, ...]) -> dict[str, int]:
    """Those that the last phase lacks, each with the first version without it."""
    ends = {arm.variant_key: phase.end_version for phase in phases for arm in phase.arms}
    last = {arm.variant_key for arm in phases[-1].arms}
    return {key: version for key, version in ends.items() if key not in last}


def _with_the_removed(case: Case, versions: Mapping[str, int]) -> dict[int, Counter[str]]:
    """Who was exposed, as if nobody who had a removed variant had been drawn anew."""
    counts = {number: Counter(arms) for number, arms in case.exposed.items()}
    for (exclusion, phase), arms in case.excluded.items():
        if exclusion is Exclusion.SEVERAL_VARIANTS:
            counts[phase].update({key: arms.get(key, 0) for key in versions})
    return counts
