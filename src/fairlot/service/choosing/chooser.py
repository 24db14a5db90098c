"""Decide all that a request asks for, at once, for one profile."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from fairlot.engine import Context, Decision, Unit, decide
from fairlot.profiles import Claim, KeptAssignment, Profile, subject_identifier
from fairlot.profiles.sessions import is_news as is_seen_anew
from fairlot.profiles.sessions import seen, visitor_status
from fairlot.service.choosing.catalogue import Candidate, Catalogues
from fairlot.service.choosing.displays import is_news, is_spent
from fairlot.service.choosing.errors import UnknownUser
from fairlot.service.choosing.logins import Standing, assignment_of, standing_of
from fairlot.service.choosing.notes import Notes
from fairlot.service.choosing.question import DEFAULT_SESSION, Chosen, Question
from fairlot.service.choosing.recording import Given, Recorder
from fairlot.service.decisions import Decisions, unit_of
from fairlot.service.holdouts import NOT_EVALUATED
from fairlot.service.profiles import Profiles, Work
from fairlot.service.profiles.contexts import known_context
from fairlot.service.snapshot import ProjectServing
from fairlot.warehouse.errors import LogTrouble, LogUnavailable
from fairlot.warehouse.ports import Log


class _Outcome(NamedTuple):
    candidate: Candidate
    decision: Decision
    standing: Standing


class Chooser:
    """One process has one. `decisions` has the snapshot, and the memory of accounts."""

    def __init__(self, decisions: Decisions, profiles: Profiles, log: Log) -> None:
        self._decisions = decisions
        self._profiles = profiles
        self._log = log
        self._recorder = Recorder(decisions, log)
        self._catalogues = Catalogues()

    async def choose(self, project: ProjectServing, question: Question) -> list[Chosen]:
        """What is served, in the order of answers.

        A profile that is new, or that a user id identifies, is durable before anything is decided;
        so is the display of what is shown once. The rest is queued. Raises UnknownUser,
        ProfilesUnavailable, or LogUnavailable when the exposures cannot be recorded.
        """
        profile = await self._profile_of(project, question)
        catalogue = self._catalogues.of(project)
        candidates = catalogue.asked_for(question.names, question.groups)
        history = project.history_wanted if catalogue.history_wanted(candidates) else {}
        context = await self._context_of(project, profile, question, history)
        outcomes, evaluated = await self._decide(project, profile, candidates, context, question)
        served = await self._remember(project, profile, outcomes, context, question)
        await self._recorder.record(project, profile, served, evaluated, context, question)
        return [Chosen(each.decision, _payload_of(each.decision)) for each in served]

    async def _profile_of(self, project: ProjectServing, question: Question) -> Profile:
        claim = question.claim
        known = await self._profiles.find(project.project_id, claim.find)
        if known is not None and claim.user_id in (None, known.user_id):
            return known
        if known is None and not claim.subject_ids:
            raise UnknownUser(claim.find[0].value)
        applied = await self._profiles.apply(
            Work(project.project_id, claim, question.now_ms, session_id=question.session_id)
        )
        if applied.profile is None:
            raise UnknownUser(claim.find[0].value)
        return applied.profile

    async def _context_of(
        self,
        project: ProjectServing,
        profile: Profile,
        question: Question,
        history: Mapping[str, int],
    ) -> Context:
        now_ms, session_id = question.now_ms, question.session_id
        context = Context(url=question.url, device=question.device, now_ms=now_ms)
        if is_seen_anew(profile, now_ms, session_id):  # this request may begin the second visit
            context.visitor_status = visitor_status(seen(profile, now_ms, session_id))
        context = await known_context(self._profiles, project.project_id, profile, context, history)
        context.sticky = {
            each.experiment_key: each.variant_key for each in profile.assignments.values()
        }
        return context

    async def _decide(
        self,
        project: ProjectServing,
        profile: Profile,
        candidates: Sequence[Candidate],
        context: Context,
        question: Question,
    ) -> tuple[list[_Outcome], dict[str, Decision]]:
        """Those that have a variant to serve; and in a project with a holdout, which is measured
        too, the units that were evaluated, each with the first decision."""
        compiled, subject_id, found = project.compiled, profile.subject_id, []
        kept = profile.assignments
        has_holdout = compiled.manifest.holdout is not None
        evaluated: dict[str, Decision] = {}
        for candidate in candidates:
            experiment = candidate.experiment
            if candidate.is_plain:
                decision = decide(compiled, experiment.key, subject_id, context)
                standing = None
            else:
                if _is_spent(candidate, profile, question):
                    continue
                standing = standing_of(experiment, profile)
                decision = await self._decide_specially(project, candidate, standing, context)
            if decision.variant is not None:
                if standing is None:
                    standing = Standing(subject_id, None, kept.get(experiment.id))
                found.append(_Outcome(candidate, decision, standing))
            if has_holdout and decision.reason not in NOT_EVALUATED:
                drawn_for = subject_id if standing is None else standing.subject_id
                evaluated.setdefault(unit_of(experiment, drawn_for, context), decision)
        return found, evaluated

    async def _decide_specially(
        self,
        project: ProjectServing,
        candidate: Candidate,
        standing: Standing,
        context: Context,
    ) -> Decision:
        key = candidate.experiment.key
        sticky = None if standing.remembered is None else {key: standing.remembered}
        own = msgspec.structs.replace(context, sticky=sticky)
        if candidate.asks_log and sticky is None:
            return await self._decisions.decide_remembering(project, key, standing.subject_id, own)
        return decide(project.compiled, key, standing.subject_id, own)

    async def _remember(
        self,
        project: ProjectServing,
        profile: Profile,
        outcomes: Sequence[_Outcome],
        context: Context,
        question: Question,
    ) -> list[Given]:
        """Write what is new of the profile; what is shown once is served only if this request is
        the one that shows it."""
        session_id = question.session_id or DEFAULT_SESSION
        notes = Notes(question.now_ms, session_id)
        given = [
            _noted(notes, each, profile, project.version, context, question) for each in outcomes
        ]
        limited = {each.candidate.experiment.id for each in outcomes if each.candidate.is_limited}
        work = Work(
            project.project_id,
            Claim((subject_identifier(profile.subject_id),)),
            question.now_ms,
            (notes.written,) if notes else (),
            session_id=question.session_id,
            makes=False,
        )
        if limited and question.exposes:
            if not self._log.usable:  # else a display would be used up for an answer that fails
                raise LogUnavailable(LogTrouble.FAILED)
            await self._profiles.apply(work)
            lost = limited - notes.claimed
            return [
                one
                for one, outcome in zip(given, outcomes, strict=True)
                if outcome.candidate.experiment.id not in lost
            ]
        if notes or is_seen_anew(profile, question.now_ms, question.session_id):
            self._profiles.post(work)
        return given


def _is_spent(candidate: Candidate, profile: Profile, question: Question) -> bool:
    experiment = candidate.experiment
    last = profile.displays.get(experiment.id)
    return is_spent(experiment.display, last, question.session_id or DEFAULT_SESSION)


def _noted(
    notes: Notes,
    outcome: _Outcome,
    profile: Profile,
    version: int,
    context: Context,
    question: Question,
) -> Given:
    experiment = outcome.candidate.experiment
    standing = outcome.standing
    if question.exposes and is_news(
        experiment.display, profile.displays.get(experiment.id), notes.session_id
    ):
        notes.shown[experiment.id] = experiment.display
    if experiment.unit is not Unit.SUBJECT:
        return Given(outcome.decision, context.account_id or "", None)
    kept: KeptAssignment | None = standing.kept
    new = assignment_of(standing, outcome.decision, profile, version, question.now_ms)
    if new is not None:
        notes.assigned[experiment.id] = (kept, new)
        kept = new
    return Given(outcome.decision, standing.subject_id, kept)


def _payload_of(decision: Decision) -> object:
    return None if decision.variant is None else decision.variant.payload
