"""What one request changes of a profile."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from fairlot.manifest.experiment_fields import Display as Mode
from fairlot.profiles import Display, KeptAssignment, Profile
from fairlot.service.choosing.deciding import Outcome
from fairlot.service.choosing.displays import is_news, is_spent
from fairlot.service.choosing.logins import assignment_of, standing_of
from fairlot.service.choosing.question import DEFAULT_SESSION, Question
from fairlot.service.snapshot import ProjectServing


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

    @property
    def limited(self) -> frozenset[str]:
        """What is shown once, if it has not been shown meanwhile."""
        return frozenset(key for key, mode in self.shown.items() if mode != Mode.ALWAYS)

    def __bool__(self) -> bool:
        return bool(self.shown or self.assigned)

    def written(self, profile: Profile) -> Profile:
        """A variant that another process has stored meanwhile stays."""
        self.claimed.clear()
        displays = dict(profile.displays)
        for experiment_id, mode in self.shown.items():
            last = displays.get(experiment_id)
            if is_spent(mode, last, self.session_id) or not is_news(mode, last, self.session_id):
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


def noted(
    project: ProjectServing, profile: Profile, outcomes: Sequence[Outcome], question: Question
) -> tuple[Notes, list[Outcome]]:
    """And what to record, each with what the profile is to hold. What activated a personalization
    is its exposure already."""
    notes = Notes(question.now_ms, question.session_id or DEFAULT_SESSION)
    exposes, displays, session_id = question.exposes, profile.displays, notes.session_id
    given = []
    for outcome in outcomes:
        candidate = outcome.candidate
        last = displays.get(candidate.id)
        if exposes and (candidate.is_limited or last is None or last.session_id != session_id):
            notes.shown[candidate.id] = candidate.experiment.display
        if candidate.is_triggered:
            continue
        if candidate.is_of_subject and (outcome.decision.store or candidate.follows_login):
            outcome = _assigned(notes, outcome, profile, project.version)
        given.append(outcome)
    return notes, given


def _assigned(notes: Notes, outcome: Outcome, profile: Profile, version: int) -> Outcome:
    standing = standing_of(outcome.candidate.experiment, profile)
    new = assignment_of(standing, outcome.decision, profile, version, notes.at_ms)
    if new is None:
        return outcome
    notes.assigned[outcome.candidate.experiment.id] = (standing.kept, new)
    return msgspec.structs.replace(outcome, kept=new)
