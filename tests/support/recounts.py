"""Looks as they are stored, and their subjects counted again."""

from collections.abc import Mapping, Sequence

import msgspec

from fairlot.service.results.fixed import KeptLook
from fairlot.stats.recounts import Counted, Recount, subjects_until
from fairlot.stats.results import Look
from fairlot.stats.sufficient import Sufficient

TAKEN_MS = 1
LookName = tuple[str, str]


def kept(
    looks: Mapping[LookName, Sequence[Look]], taken_at_ms: int | None = TAKEN_MS
) -> dict[LookName, tuple[KeptLook, ...]]:
    return {
        name: tuple(
            KeptLook(**msgspec.structs.asdict(look), taken_at_ms=taken_at_ms) for look in each
        )
        for name, each in looks.items()
    }


def recount_of(there: Sufficient) -> Recount:
    """`there` is what is left of the events of all looks."""

    def recount(metric: str, variant: str, look: Counted) -> int | None:
        if look.taken_at_ms is None:
            return None
        (measured,) = [each for each in there.question.metrics if each.key == metric]
        return subjects_until(there, measured, variant, look.day)

    return recount
