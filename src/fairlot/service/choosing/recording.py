"""The exposures of one answer."""

from collections.abc import Mapping, Sequence
from typing import Final

from fairlot.engine import Context, Decision
from fairlot.events import Assignment, Exposure, new_event_ids
from fairlot.profiles import Profile
from fairlot.service.choosing.deciding import Outcome
from fairlot.service.choosing.displays import display_event_id
from fairlot.service.choosing.logins import flags_of
from fairlot.service.choosing.question import DEFAULT_SESSION, Question
from fairlot.service.decisions import Decisions
from fairlot.service.holdouts import holdout_exposure
from fairlot.service.privacy.recording import without_details
from fairlot.service.snapshot import ProjectServing
from fairlot.warehouse.errors import LogUnavailable
from fairlot.warehouse.ports import Log

SOURCE: Final = "choose"


class Recorder:
    """Writes to the event log what the Choose face served."""

    def __init__(self, decisions: Decisions, log: Log) -> None:
        self._decisions = decisions
        self._log = log
        self._holdouts_recorded = decisions.holdouts

    async def record(
        self,
        project: ProjectServing,
        profile: Profile,
        given: Sequence[Outcome],
        evaluated: Mapping[str, Decision],
        context: Context,
        question: Question,
    ) -> None:
        """With the exposures of the holdout, where a unit of `evaluated` is new to it. Raises
        LogUnavailable."""
        exposures: list[Exposure] = []
        holdouts: list[Exposure] = []
        if question.exposes:
            exposures = _exposures(project, profile, given, question)
            holdouts = self._holdouts(project, profile, evaluated, context)
            if question.keeps_private:
                exposures = [without_details(each) for each in exposures]
                holdouts = [without_details(each) for each in holdouts]
        assignments = [
            _assignment(each, project.version, question.now_ms)
            for each in given
            if each.decision.store
        ]
        if not exposures and not assignments and not holdouts:
            return
        try:
            ticket = self._log.record_all(exposures + holdouts, assignments)
            if self._decisions.durable:
                await self._log.committed(ticket)
        except LogUnavailable:
            self._decisions.refused += 1
            raise
        self._decisions.impressions += len(exposures)
        for each in holdouts:
            self._holdouts_recorded.add(each)

    def _holdouts(
        self,
        project: ProjectServing,
        profile: Profile,
        evaluated: Mapping[str, Decision],
        context: Context,
    ) -> list[Exposure]:
        found = (
            holdout_exposure(
                project,
                decision,
                subject_id=profile.subject_id,
                unit_id=unit_id,
                at_ms=context.now_ms,
                received_at_ms=context.now_ms,
                source=SOURCE,
            )
            for unit_id, decision in evaluated.items()
            if not self._holdouts_recorded.has(project, unit_id)
        )
        return [each for each in found if each is not None]


def _exposures(
    project: ProjectServing, profile: Profile, given: Sequence[Outcome], question: Question
) -> list[Exposure]:
    now_ms, subject_id = question.now_ms, profile.subject_id
    project_id, version = project.project_id, project.version
    session_id = question.session_id or DEFAULT_SESSION
    device, url = question.device, question.url
    made = []
    for new_id, outcome in zip(new_event_ids(now_ms, len(given)), given, strict=True):
        experiment, variant, kept = outcome.candidate.experiment, outcome.variant, outcome.kept
        is_limited = outcome.candidate.is_limited
        made.append(
            Exposure(
                display_event_id(experiment, profile, session_id) if is_limited else new_id,
                project_id,
                experiment.id,
                experiment.key,
                subject_id,
                outcome.unit_id,
                variant.key,
                variant.id,
                version,
                experiment.hash_version,
                outcome.decision.reason,
                now_ms,
                now_ms,
                session_id=session_id,
                device=device,
                url=url,
                source=SOURCE,
                properties=flags_of(kept),
            )
        )
    return made


def _assignment(given: Outcome, version: int, now_ms: int) -> Assignment:
    experiment = given.candidate.experiment
    return Assignment(
        experiment.id, experiment.key, given.unit_id, given.variant.key, version, now_ms
    )
