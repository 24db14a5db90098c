"""The exposures of one answer."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from fairlot.engine import Context, Decision, Experiment, Variant
from fairlot.events import Assignment, Exposure, new_event_id
from fairlot.profiles import KeptAssignment, Profile
from fairlot.service.choosing.logins import flags_of
from fairlot.service.choosing.question import DEFAULT_SESSION, Question
from fairlot.service.decisions import Decisions
from fairlot.service.holdouts import holdout_exposure
from fairlot.service.privacy.recording import GPC
from fairlot.service.snapshot import ProjectServing
from fairlot.warehouse.errors import LogUnavailable
from fairlot.warehouse.ports import Log

SOURCE: Final = "choose"


class Given(NamedTuple):
    """A decision with a variant, whose id was drawn, and what the profile keeps of it."""

    experiment: Experiment
    decision: Decision
    unit_id: str
    kept: KeptAssignment | None


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
        given: Sequence[Given],
        evaluated: Mapping[str, Decision],
        context: Context,
        question: Question,
    ) -> None:
        """With the exposures of the holdout, where a unit of `evaluated` is new to it. Raises
        LogUnavailable."""
        exposures, holdouts = [], []
        if question.exposes:
            exposures = [_exposure(project, profile, each, context, question) for each in given]
            holdouts = self._holdouts(project, profile, evaluated, context)
        assignments = [
            _assignment(each, project.version, question.now_ms)
            for each in given
            if each.decision.store
        ]
        if not exposures and not assignments and not holdouts:
            return
        try:
            ticket = self._log.record_all([*holdouts, *exposures], assignments)
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


def _variant_of(given: Given) -> Variant:
    if given.decision.variant is None:
        raise LookupError(given.experiment.key)
    return given.decision.variant


def _exposure(
    project: ProjectServing,
    profile: Profile,
    given: Given,
    context: Context,
    question: Question,
) -> Exposure:
    experiment, variant = given.experiment, _variant_of(given)
    flags = flags_of(given.kept)
    if question.keeps_private:
        flags = {**(flags or {}), **GPC}
    return Exposure(
        new_event_id(question.now_ms),
        project.project_id,
        experiment.id,
        experiment.key,
        profile.subject_id,
        given.unit_id,
        variant.key,
        variant.id,
        project.version,
        experiment.hash_version,
        given.decision.reason,
        question.now_ms,
        question.now_ms,
        session_id=question.session_id or DEFAULT_SESSION,
        device=question.device,
        url=None if question.keeps_private else context.url,
        source=SOURCE,
        properties=flags,
    )


def _assignment(given: Given, version: int, now_ms: int) -> Assignment:
    experiment, variant = given.experiment, _variant_of(given)
    return Assignment(experiment.id, experiment.key, given.unit_id, variant.key, version, now_ms)
