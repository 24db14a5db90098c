"""Which answers the log holds already, as far as is remembered."""

from collections.abc import Iterable

from fairlot.events import Assignment


class RecentAnswers:
    """The latest stored answers of about `size` to twice `size` units, in two generations.

    Most subjects come back within minutes with the same answer; those need no write.
    """

    def __init__(self, size: int = 20_000) -> None:
        self._size = size
        self._young: dict[tuple[str, str], str] = {}
        self._old: dict[tuple[str, str], str] = {}

    def unseen(self, assignments: Iterable[Assignment]) -> list[Assignment]:
        return [one for one in assignments if not self._knows(one)]

    def remember(self, assignments: Iterable[Assignment]) -> None:
        """Call it only after their commit."""
        for one in assignments:
            self._young[(one.experiment_id, one.unit_id)] = one.variant_key
        if len(self._young) >= self._size:
            self._young, self._old = {}, self._young

    def forget(self) -> None:
        self._young, self._old = {}, {}

    def _knows(self, assignment: Assignment) -> bool:
        unit = (assignment.experiment_id, assignment.unit_id)
        latest = self._young.get(unit) or self._old.get(unit)
        return latest == assignment.variant_key
