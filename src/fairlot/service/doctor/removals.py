"""Variants that were taken away while the experiment ran: whoever had one is drawn anew."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fairlot.service.doctor.case import Case
from fairlot.stats.sufficient import Exclusion, Phase

START_ANEW: Final = (
    "Start anew under a new key, without the variant. The next time let it run to the end: a"
    " variant that is taken away takes its subjects out of the result."
)
_MOST: Final = 0.5


@dataclass(frozen=True, slots=True)
class Removal:
    """`versions` are those of the manifest that lack a variant first, by its key; `subjects` had
    one of these variants, and another."""

    versions: Mapping[str, int]
    subjects: int

    @property
    def sentence(self) -> str:
        removed = " and ".join(
            f"{key} was removed in version {version}" for key, version in self.versions.items()
        )
        return f"{removed}, and {self.subjects} of its subjects, who came back, were drawn anew"


def removal_of(case: Case) -> Removal | None:
    """None where most of those who were seen in several variants had none that was removed."""
    several = case.excluded_for(Exclusion.SEVERAL_VARIANTS)
    versions = {
        key: version for key, version in removed_variants(case.phases).items() if several[key]
    }
    subjects = sum(several[key] for key in versions)
    if not subjects or subjects < _MOST * case.sufficient.left_out[Exclusion.SEVERAL_VARIANTS]:
        return None
    return Removal(versions, subjects)


def removed_variants(phases: tuple[Phase, ...]) -> dict[str, int]:
    """Those that the last phase lacks, each with the first version without it."""
    ends = {arm.variant_key: phase.end_version for phase in phases for arm in phase.arms}
    last = {arm.variant_key for arm in phases[-1].arms}
    return {key: version for key, version in ends.items() if key not in last}


def with_the_removed(case: Case, removal: Removal) -> dict[int, Counter[str]]:
    """Who was exposed, as if nobody who had a removed variant had been drawn anew."""
    counts = {number: Counter(arms) for number, arms in case.exposed.items()}
    for (exclusion, phase), arms in case.excluded.items():
        if exclusion is Exclusion.SEVERAL_VARIANTS:
            counts[phase].update({key: arms.get(key, 0) for key in removal.versions})
    return counts
