"""Draw every recorded exposure of an experiment again, from the stored manifests."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fairlot.service.replay.draws import Drawn, holdout_arms
from fairlot.service.replay.judging import AGREES, Judged, is_named, judge
from fairlot.service.replay.likely import explained
from fairlot.service.replay.origins import Asked, Origins, unexplained
from fairlot.service.replay.report import Cause, Disagreement, NotChecked, Replay, ReplayedVersion
from fairlot.service.replay.rows import Shown, Units, units_of
from fairlot.service.replay.versions import ReadDraws

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DEFAULT_LISTED = 100


def replay(
    connection: "DuckDBPyConnection",
    project_id: str,
    origins: Origins,
    *,
    project: str,
    experiment_id: str,
    listed: int = DEFAULT_LISTED,
    unreadable: tuple[str, ...] = (),
) -> Replay:
    """Of `origins.versions.experiment_key`. The connection has the relation `exposures`, without
    what is `unreadable`; at most `listed` disagreements are told one by one, all are counted."""
    tally = _Tally(origins, listed)
    for units in units_of(connection, project_id, origins.versions.experiment_key):
        tally.add(units)
    return tally.report(project, experiment_id, unreadable)


@dataclass(slots=True)
class _Tally:
    origins: Origins
    listed: int
    units: int = 0
    exposures: Counter[int] = field(default_factory=Counter)
    disagreed: Counter[int] = field(default_factory=Counter)
    after_revocation: Counter[int] = field(default_factory=Counter)
    causes: Counter[Cause] = field(default_factory=Counter)
    not_checked: Counter[NotChecked] = field(default_factory=Counter)
    found: list[Disagreement] = field(default_factory=list)

    def add(self, units: Units) -> None:
        self.units += len(units)
        drawn = self._drawn(units)
        asked: list[Asked] = []
        for _, rows in units:
            asked += self._judged_together(rows, drawn)
        for each in self.origins.without(asked):
            self._note(each.shown, unexplained(each))

    def _drawn(self, units: Units) -> dict[tuple[int, str], Drawn]:
        """What each version that is named draws for the units that name it."""
        named: defaultdict[int, dict[str, None]] = defaultdict(dict)
        for unit, rows in units:
            for each in rows:
                named[each.version][unit] = None
        found: dict[tuple[int, str], Drawn] = {}
        for version, some in named.items():
            draws = self.origins.versions.of(version).draws
            if draws is not None:
                for unit, drawn in zip(some, draws.drawn(list(some)), strict=True):
                    found[version, unit] = drawn
        return found

    def _judged_together(
        self, rows: list[Shown], drawn: dict[tuple[int, str], Drawn]
    ) -> Iterator[Asked]:
        """All exposures of a unit; those that nothing in them explains."""
        sound: list[Shown] = []
        kept: list[Asked] = []
        for each in rows:
            self._count(each)
            judged = self._judge(each, drawn)
            if judged.asks_origin:
                kept.append(Asked(each, judged))
                continue
            if judged.verdict in (None, NotChecked.ADAPTER):
                sound.append(each)
            if judged is not AGREES:
                self._note(each, judged)
        return (each for each in kept if not _was_before(each.shown, sound))

    def _judge(self, shown: Shown, drawn: dict[tuple[int, str], Drawn]) -> Judged:
        read = self.origins.versions.of(shown.version)
        if read.draws is not None:
            return judge(shown, read.draws, drawn[shown.version, shown.unit_id])
        return _judge_holdout(shown, read)

    def _count(self, shown: Shown) -> None:
        self.exposures[shown.version] += 1
        revoked_at_ms = self.origins.versions.of(shown.version).revoked_at_ms
        if revoked_at_ms is not None and shown.at_ms > revoked_at_ms:
            self.after_revocation[shown.version] += 1

    def _note(self, shown: Shown, judged: Judged) -> None:
        verdict = judged.verdict
        if isinstance(verdict, NotChecked):
            self.not_checked[verdict] += 1
        elif verdict is not None:
            self.causes[verdict] += 1
            self.disagreed[shown.version] += 1
            if len(self.found) < self.listed:
                self.found.append(explained(shown, verdict, judged.expected, self.origins.versions))

    def report(self, project: str, experiment_id: str, unreadable: tuple[str, ...]) -> Replay:
        exposures, disagreed = self.exposures.total(), self.causes.total()
        return Replay(
            project=project,
            experiment=self.origins.versions.experiment_key,
            experiment_id=experiment_id,
            exposures=exposures,
            units=self.units,
            agreed=exposures - disagreed - self.not_checked.total(),
            disagreed=disagreed,
            causes=dict(self.causes.most_common()),
            not_checked=dict(self.not_checked.most_common()),
            versions=tuple(map(self._version, sorted(self.exposures))),
            disagreements=tuple(self.found),
            unreadable=unreadable,
        )

    def _version(self, version: int) -> ReplayedVersion:
        read = self.origins.versions.of(version)
        return ReplayedVersion(
            version=version,
            exposures=self.exposures[version],
            disagreed=self.disagreed[version],
            is_altered=read.is_altered,
            revoked_at_ms=read.revoked_at_ms,
            after_revocation=self.after_revocation[version],
            problem=read.problem,
        )


def _was_before(shown: Shown, others: list[Shown]) -> bool:
    """Whether one of these had the variant before, by either clock."""
    return any(
        each.variant_key == shown.variant_key
        and (each.at_ms <= shown.at_ms or each.received_at_ms <= shown.received_at_ms)
        for each in others
    )


def _judge_holdout(shown: Shown, read: ReadDraws) -> Judged:
    holdout = read.holdout
    if holdout is None:
        return Judged(read.verdict)
    (arm,) = holdout_arms(holdout, [shown.unit_id])
    name = f"holdout.{holdout.key}"
    if not is_named(shown, name, shown.variant_key):
        return Judged(Cause.OTHER_NAMES, arm)
    return AGREES if shown.variant_key == arm else Judged(Cause.OTHER_ARM, arm)
