"""How often an experience is shown."""

from typing import Final

import msgspec

from fairlot.engine import Experiment, TraceStep
from fairlot.engine.trace import ANSWERED, PASSED
from fairlot.events import derived_event_id
from fairlot.manifest.experiment_fields import Display as Mode
from fairlot.profiles import Display, Profile

_STEP: Final = "display"
_encode: Final = msgspec.json.Encoder().encode


def is_spent(mode: str, last: Display | None, session_id: str) -> bool:
    """Whether an experience that was shown as `last` says is not to be shown in the session."""
    if mode == Mode.ALWAYS or last is None:
        return False
    return mode == Mode.ONCE or last.session_id == session_id


def is_news(mode: str, last: Display | None, session_id: str) -> bool:
    """Whether showing it is to be remembered: what is always shown only once in each session."""
    return mode != Mode.ALWAYS or last is None or last.session_id != session_id


def display_event_id(experiment: Experiment, profile: Profile, session_id: str) -> str:
    """Of the exposure of what is not always shown. It is recorded before the display is claimed,
    and has the same id when that fails and is tried again, and for all who claim the same one."""
    last = profile.displays.get(experiment.id)
    number = 1 if last is None else last.count + 1
    visit = None if experiment.display == Mode.ONCE else session_id
    name = _encode((experiment.id, profile.subject_id, number, visit)).decode()
    return derived_event_id(profile.project_id, f"display:{name}")


def display_step(experiment: Experiment, profile: Profile | None, session_id: str) -> TraceStep:
    """The row of an explanation that says whether it may be shown again."""
    last = None if profile is None else profile.displays.get(experiment.id)
    if experiment.display == Mode.ALWAYS:
        return TraceStep(_STEP, PASSED, "always shown")
    if last is None:
        return TraceStep(_STEP, PASSED, f"{experiment.display}: not shown so far")
    details = {"sessionId": session_id, "shownIn": last.session_id, "shownAtMs": last.last_at_ms}
    if is_spent(experiment.display, last, session_id):
        return TraceStep(_STEP, ANSWERED, f"{experiment.display}: shown, so not served", details)
    return TraceStep(_STEP, PASSED, f"{experiment.display}: shown in another session", details)
