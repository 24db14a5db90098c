"""Decide all that a request asks for, at once, for one profile."""

from typing import Any, Final

from fairlot.engine import Context
from fairlot.profiles import Claim, Profile, subject_identifier
from fairlot.profiles.sessions import is_news as is_seen_anew
from fairlot.service.choosing.catalogue import Catalogues
from fairlot.service.choosing.deciding import Outcome, decide_all
from fairlot.service.choosing.notes import Notes, noted
from fairlot.service.choosing.question import DEFAULT_SESSION, Chosen, Question
from fairlot.service.choosing.recording import Recorder
from fairlot.service.choosing.subjects import context_of, subject_of
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import Feeds
from fairlot.service.privacy import Rejections
from fairlot.service.profiles import Profiles, Work
from fairlot.service.snapshot import ProjectServing
from fairlot.warehouse.ports import Log

_NONE: Final[frozenset[str]] = frozenset()


class Chooser:
    """One process has one. `decisions` has the snapshot, and the memory of accounts."""

    def __init__(
        self,
        decisions: Decisions,
        profiles: Profiles,
        feeds: Feeds,
        privacy: Rejections,
        log: Log,
    ) -> None:
        self._decisions = decisions
        self._profiles = profiles
        self._feeds = feeds
        self._privacy = privacy
        self._recorder = Recorder(decisions, log)
        self._catalogues = Catalogues()

    async def choose(self, project: ProjectServing, question: Question) -> list[Chosen]:
        """What is served, in the order of answers.

        The display of what is shown once is durable before it is served, and its exposure is
        recorded before that; all else that is noted of a known profile is queued. Raises
        UnknownUser, ProfilesUnavailable, or LogUnavailable when the exposures cannot be recorded.
        """
        profile, may_record = await subject_of(
            self._profiles, self._privacy, project.project_id, question
        )
        catalogue = self._catalogues.of(project)
        candidates = catalogue.asked_for(question)
        history = project.history_wanted if catalogue.history_wanted(candidates) else {}
        context = Context(url=question.url, device=question.device, now_ms=question.now_ms)
        context = await context_of(self._profiles, profile, context, question.session_id, history)
        session_id = question.session_id or DEFAULT_SESSION
        outcomes = await decide_all(
            self._decisions, project, profile, candidates, context, session_id
        )
        bodies = {
            each.decision.experiment_key: await self._resolved(profile, each, question)
            for each in outcomes.found
            if each.variant.key in each.candidate.binds_feeds
        }
        lost = _NONE
        if may_record and not self._rejects(profile):  # it may have been said meanwhile
            notes, given = noted(project, profile, outcomes.found, question)
            # First, so that no display is used up by an answer that fails for want of a record.
            await self._recorder.record(
                project, profile, given, outcomes.evaluated, context, question
            )
            lost = await self._write(profile, notes, question)
        found = outcomes.found
        if lost:
            found = [each for each in found if each.candidate.id not in lost]
        return [
            Chosen(each.decision, bodies.get(each.decision.experiment_key, each.variant.payload))
            for each in found
        ]

    def _rejects(self, profile: Profile) -> bool:
        return self._privacy.rejects(profile.project_id, profile.subject_id)

    async def _resolved(self, profile: Profile, outcome: Outcome, question: Question) -> Any:
        return await self._feeds.resolve(
            profile.project_id, outcome.variant.payload, profile, question.product_id
        )

    async def _write(self, profile: Profile, notes: Notes, question: Question) -> frozenset[str]:
        """The ids of the experiments that are shown once, and that another request has shown."""
        if not notes and not is_seen_anew(profile, question.now_ms, question.session_id):
            return _NONE
        work = Work(
            profile.project_id,
            Claim((subject_identifier(profile.subject_id),)),
            question.now_ms,
            (notes.written,) if notes else (),
            session_id=question.session_id,
            makes=False,
        )
        limited = notes.limited
        if not limited:
            self._profiles.post(work)
            return _NONE
        applied = await self._profiles.apply(work)
        return _NONE if applied.rejects else limited - notes.claimed
