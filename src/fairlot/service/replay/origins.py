"""What gave a unit the variant that it is said to keep: a record before, or a version."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from fairlot.events import Assignment
from fairlot.service.replay.draws import Drawn, ExperimentDraws
from fairlot.service.replay.judging import Judged, expected_of
from fairlot.service.replay.report import Cause, NotChecked
from fairlot.service.replay.rows import Shown
from fairlot.service.replay.versions import StoredVersions

StoredAssignments = Callable[[str, str], Sequence[Assignment]]
LinkedIds = Mapping[str, Collection[str]]
_BY_SERVER: Final = frozenset({"assignments", "ofrep", "personalization"})
"""Sources whose memory is the log itself; Choose also remembers in profiles, which merge."""


class Asked(NamedTuple):
    """An exposure whose variant has to come from somewhere; `told` is what if it does not."""

    shown: Shown
    told: Judged


@dataclass(frozen=True, slots=True)
class Origins:
    """`assignments` are those of an experiment id and a unit. `linked` gives the ids that logins
    have linked to one."""

    versions: StoredVersions
    assignments: StoredAssignments
    linked: Callable[[], LinkedIds]

    def without(self, asked: Iterable[Asked]) -> list[Asked]:
        """Those that nothing explains."""
        left = [each for each in asked if not self._was_stored(each.shown)]
        left = self._not_drawn(left, lambda shown: (shown.unit_id,))
        if not left:
            return left
        linked = self.linked()
        return self._not_drawn(left, lambda shown: linked.get(shown.unit_id, ()))

    def _was_stored(self, shown: Shown) -> bool:
        found = self.assignments(shown.experiment_id, shown.unit_id)
        return any(each.variant_key == shown.variant_key for each in found)

    def _not_drawn(
        self, asked: list[Asked], ids_of: Callable[[Shown], Collection[str]]
    ) -> list[Asked]:
        """Those whose variant no version up to theirs drew for one of these ids."""
        by_version: defaultdict[int, list[Asked]] = defaultdict(list)
        for each in asked:
            by_version[each.shown.version].append(each)
        left: list[Asked] = []
        for version, some in by_version.items():
            for draws in self.versions.up_to(version):
                some = [each for each in some if not _is_drawn(draws, each.shown, ids_of)]
                if not some:
                    break
            left += some
        return left


def unexplained(asked: Asked) -> Judged:
    """A client or a profile may remember what this log has never held."""
    is_ours = asked.shown.source in _BY_SERVER and asked.shown.sender_id is None
    if is_ours or asked.told.verdict is not Cause.NO_ORIGIN:
        return asked.told
    return Judged(NotChecked.REMEMBERED_ELSEWHERE, asked.told.expected)


def _is_drawn(
    draws: ExperimentDraws, shown: Shown, ids_of: Callable[[Shown], Collection[str]]
) -> bool:
    drawn: list[Drawn] = draws.drawn(list(ids_of(shown)))
    return any(expected_of(draws, each) == shown.variant_key for each in drawn)
