"""What one request changes of a profile."""

from dataclasses import dataclass, field

import msgspec

from fairlot.profiles import Display, KeptAssignment, Profile
from fairlot.service.choosing.displays import is_spent


@dataclass(slots=True)
class Notes:
    """`shown` are display modes by experiment id, `assigned` what the profile held when it was
    decided and what it is to hold. `written` runs in the writer, on the profile as it then is: only
    what it puts into `claimed` may be served of what is shown once."""

    at_ms: int
    session_id: str
    shown: dict[str, str] = field(default_factory=dict)
    assigned: dict[str, tuple[KeptAssignment | None, KeptAssignment]] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.shown or self.assigned)

    def written(self, profile: Profile) -> Profile:
        """A variant that another process has stored meanwhile stays."""
        self.claimed.clear()
        displays = dict(profile.displays)
        for experiment_id, mode in self.shown.items():
            last = displays.get(experiment_id)
            if is_spent(mode, last, self.session_id):
                continue
            self.claimed.add(experiment_id)
            count = 1 if last is None else last.count + 1
            displays[experiment_id] = Display(
                count=count, last_at_ms=self.at_ms, session_id=self.session_id
            )
        assignments = dict(profile.assignments)
        for experiment_id, (before, now) in self.assigned.items():
            if assignments.get(experiment_id) == before:
                assignments[experiment_id] = now
        return msgspec.structs.replace(profile, displays=displays, assignments=assignments)
