"""The feeds that projects define, as the newest snapshot has them."""

from collections.abc import Callable, Mapping, Sequence

from fairlot.engine import Feed
from fairlot.service.snapshot import EMPTY_SNAPSHOT, Snapshot


class PublishedFeeds:
    """Of the snapshot that `current` gives."""

    def __init__(self, current: Callable[[], Snapshot]) -> None:
        self._current = current
        self._found: tuple[Snapshot, Mapping[str, Sequence[Feed]]] = EMPTY_SNAPSHOT, {}

    def __call__(self, project_id: str) -> Sequence[Feed]:
        snapshot = self._current()
        known, by_project = self._found
        if known is not snapshot:
            by_project = {
                each.project_id: each.compiled.manifest.feeds for each in snapshot.projects.values()
            }
            self._found = snapshot, by_project
        return by_project.get(project_id, ())
