"""Who of those that a transaction is about has rejected, and what it writes of that."""

from collections.abc import Sequence

from sqlalchemy import Connection

from fairlot.service.privacy.rejections import Rejections
from fairlot.service.privacy.remembered import written_rejections
from fairlot.service.profiles.work import Work
from fairlot.service.profiles.working_set import WorkingSet
from fairlot.store.profiles.rejections import RejectionRow, write_rejections


class Rejected:
    """`remembered` is also of those who were deleted."""

    def __init__(self, known: WorkingSet, remembered: Rejections, now_ms: int) -> None:
        self._known = known
        self._remembered = remembered
        self._now_ms = now_ms
        self.written: Sequence[RejectionRow] = ()

    def remembered_until_ms(self, work: Work) -> int:
        """Until when somebody rejects who is called so and was deleted; 0 without."""
        if not self._remembered:
            return 0
        until_ms = max(
            (
                self._remembered.until_ms(work.project_id, each)
                for each in work.claim.identifiers
                if self._known.owner(work.project_id, each) is None
            ),
            default=0,
        )
        return until_ms if self._now_ms < until_ms else 0

    def write(self, connection: Connection, change_no: int) -> None:
        """What is said now of the names of the profiles that are written, where that is new."""
        self.written = self._changed(change_no)
        write_rejections(connection, self.written)

    def _changed(self, change_no: int) -> list[RejectionRow]:
        found = [
            RejectionRow(project_id, identifier.digest(), 0, change_no)
            for project_id, identifier in self._known.let_go
            if not (owner := self._known.owner(project_id, identifier)) or not owner.consents
        ]
        for profile in self._known.changed:
            if profile.consents:
                before = self._known.stored(profile.id)
                found += written_rejections(profile, before, self._remembered, change_no)
        return found
