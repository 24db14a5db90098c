"""Decide for a subject over the current snapshot, and record what came out.

The snapshot is swapped whole, so a decision sees one state of the store. While the store fails,
decisions go on from memory.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlot.engine import (
    Context,
    Decision,
    Experiment,
    Reason,
    Unit,
    decide,
)
from fairlot.events import Assignment, Exposure, new_event_id
from fairlot.service.holdouts import HoldoutsRecorded, holdout_exposure
from fairlot.service.privacy.recording import Rejects, nobody_rejects, without_details
from fairlot.service.snapshot import ProjectServing, Snapshot
from fairlot.warehouse.log import LogUnavailable
from fairlot.warehouse.ports import Log

# The answers that a remembered variant would have come before, when the draw may have changed.
_AFTER_MEMORY = frozenset(
    {Reason.AUDIENCE, Reason.SAMPLE, Reason.ADAPTER, Reason.BUCKET, Reason.RECIPE}
)


def decide_with_memory(
    project: ProjectServing,
    experiment_key: str,
    subject_id: str,
    context: Context,
    stored: Callable[[str, str], Sequence[Assignment]],
) -> Decision:
    """Decide, looking up what was remembered only where it can matter. Records nothing.

    `stored` gives the assignments of an experiment id and a unit id, the earliest first. The one
    that was used is put into `context.sticky`.
    """
    decision = decide(project.compiled, experiment_key, subject_id, context)
    asked = _memory_to_ask(project, decision, subject_id, context)
    if asked is None:
        return decision
    return _remembering(project, decision, subject_id, context, stored(*asked))


class Decisions:
    """The decisions of one process. `impressions` and `refused` count what was recorded, and what
    the event log could not take. Of a subject who `rejects` nothing is recorded. With `durable`
    what was recorded is committed before it is answered.

    `load` reads the newest snapshot, given the one before, and `generation` only its number; both
    may block.
    """

    def __init__(
        self,
        load: Callable[[Snapshot | None], Snapshot],
        generation: Callable[[], int],
        log: Log,
        *,
        durable: bool = False,
        source: str = "assignments",
        rejects: Rejects = nobody_rejects,
    ) -> None:
        self._load = load
        self._generation = generation
        self._log = log
        self.durable = durable
        self._source = source
        self._rejects = rejects
        self.holdouts = HoldoutsRecorded()
        self._refreshing = threading.Lock()
        self.impressions = 0
        self.refused = 0
        self.snapshot: Snapshot = load(None)

    def refresh(self) -> bool:
        """Swap in the store's state if it has changed; says whether it had. Blocks, so call it in
        a worker thread. When the store raises, the last good snapshot stays."""
        with self._refreshing:  # else a slow load could bring back what a later one has replaced
            if self._generation() == self.snapshot.generation:
                return False
            self.snapshot = self._load(self.snapshot)
            return True

    async def decide_and_record(
        self,
        project: ProjectServing,
        experiment_key: str,
        subject_id: str,
        context: Context,
        *,
        track: bool,
        private: bool = False,
        properties: Mapping[str, Any] | None = None,
        source: str | None = None,
    ) -> Decision:
        """Decide at `context.now_ms`, remember a drawn variant, and record the impression.

        A variant that had to be looked up is put into `context.sticky`. Without `track` no
        exposure is recorded, but the variant is remembered all the same. With `private` it is
        recorded without the URL, and with no properties but that. `source` is who asked, in place
        of the usual one. Raises LogUnavailable when the event log cannot take what must be
        recorded.
        """
        try:
            decision = await self.decide_remembering(project, experiment_key, subject_id, context)
            ticket = self._record(
                project,
                decision,
                subject_id,
                context,
                track,
                private,
                properties,
                source or self._source,
            )
            if ticket is not None and self.durable:
                await self._log.committed(ticket)
        except LogUnavailable:
            self.refused += 1
            raise
        return decision

    async def decide_all(
        self, project: ProjectServing, subject_id: str, context_of: Callable[[str], Context]
    ) -> list[Decision]:
        """Decide every experiment, each with a context of its own, and remember the drawn variants
        in one commit. No exposure is recorded: nobody was shown anything yet. Raises
        LogUnavailable."""
        found, kept = [], []
        for key in project.compiled.experiments:
            context = context_of(key)
            decision = await self.decide_remembering(project, key, subject_id, context)
            found.append(decision)
            assignment = _assignment_of(project, decision, subject_id, context)
            if assignment is not None:
                kept.append(assignment)
        if kept and not self._rejects(project.project_id, subject_id):
            try:
                ticket = self._log.record_all((), kept)
                if self.durable:
                    await self._log.committed(ticket)
            except LogUnavailable:
                self.refused += 1
                raise
        return found

    async def decide_remembering(
        self, project: ProjectServing, experiment_key: str, subject_id: str, context: Context
    ) -> Decision:
        """`decide_with_memory` over the event log. Records nothing."""
        decision = decide(project.compiled, experiment_key, subject_id, context)
        asked = _memory_to_ask(project, decision, subject_id, context)
        if asked is None:
            return decision
        stored = await asyncio.to_thread(self._log.stored_assignments, *asked)
        return _remembering(project, decision, subject_id, context, stored)

    def _record(
        self,
        project: ProjectServing,
        decision: Decision,
        subject_id: str,
        context: Context,
        track: bool,
        private: bool,
        properties: Mapping[str, Any] | None,
        source: str,
    ) -> int | None:
        """The ticket of the last thing that was recorded, None when nothing had to be."""
        experiment, variant, reason = decision.experiment, decision.variant, decision.reason
        if experiment is None or self._rejects(project.project_id, subject_id):
            return None
        if experiment.activation is not None:
            return None  # it was recorded when it was activated
        ticket = None
        if track:
            ticket = self._record_holdout(
                project, decision, experiment, subject_id, context, source, private
            )
        if variant is None or reason is Reason.PREVIEW or not (track or decision.store):
            return ticket
        unit_id = unit_of(experiment, subject_id, context)
        exposure = None
        if track:
            exposure = Exposure(
                new_event_id(context.now_ms),
                project.project_id,
                experiment.id,
                experiment.key,
                subject_id,
                unit_id,
                variant.key,
                variant.id,
                project.version,
                experiment.hash_version,
                reason,
                context.now_ms,
                context.now_ms,
                device=context.device,
                url=context.url,
                source=source,
                properties=properties,
            )
            exposure = without_details(exposure) if private else exposure
        assignment = _assignment_of(project, decision, subject_id, context)
        ticket = self._log.record(exposure, assignment)
        if track:
            self.impressions += 1
        return ticket

    def _record_holdout(
        self,
        project: ProjectServing,
        decision: Decision,
        experiment: Experiment,
        subject_id: str,
        context: Context,
        source: str,
        private: bool,
    ) -> int | None:
        """What this process recorded lately it does not record again."""
        unit_id = unit_of(experiment, subject_id, context)
        if self.holdouts.has(project, unit_id):
            return None
        exposure = holdout_exposure(
            project,
            decision,
            subject_id=subject_id,
            unit_id=unit_id,
            at_ms=context.now_ms,
            received_at_ms=context.now_ms,
            source=source,
        )
        if exposure is None:
            return None
        ticket = self._log.record(without_details(exposure) if private else exposure, None)
        self.holdouts.add(exposure)
        return ticket


def _assignment_of(
    project: ProjectServing, decision: Decision, subject_id: str, context: Context
) -> Assignment | None:
    """What has to be remembered of a decision, if anything."""
    experiment, variant = decision.experiment, decision.variant
    if experiment is None or variant is None or not decision.store:
        return None
    if experiment.activation is not None:
        return None
    return Assignment(
        experiment.id,
        experiment.key,
        unit_of(experiment, subject_id, context),
        variant.key,
        project.version,
        context.now_ms,
    )


def unit_of(experiment: Experiment, subject_id: str, context: Context) -> str:
    """Whose id is hashed."""
    return subject_id if experiment.unit is Unit.SUBJECT else context.account_id or ""


def _memory_to_ask(
    project: ProjectServing, decision: Decision, subject_id: str, context: Context
) -> tuple[str, str] | None:
    """The experiment id and unit id whose remembered variants could change a decision, if any.

    Outside the audience they cannot when the page does not match, or when the audience is checked
    again: trying one is cheaper than looking one up. Elsewhere the hash is the memory, unless the
    draw has changed since the experiment started.
    """
    experiment = decision.experiment
    if experiment is None or decision.reason not in _AFTER_MEMORY:
        return None
    if decision.reason is Reason.AUDIENCE:
        context.sticky = {experiment.key: experiment.variants[0].key}
        tried = decide(project.compiled, experiment.key, subject_id, context)
        context.sticky = None
        if tried.reason is Reason.AUDIENCE:
            return None
    elif experiment.key not in project.always_look_up:
        return None
    return experiment.id, unit_of(experiment, subject_id, context)


def _remembering(
    project: ProjectServing,
    decision: Decision,
    subject_id: str,
    context: Context,
    stored: Sequence[Assignment],
) -> Decision:
    """Decide again with the earliest remembered variant that still exists, if there is one."""
    experiment = decision.experiment
    for assignment in stored:
        if experiment is not None and experiment.variant(assignment.variant_key) is not None:
            context.sticky = {experiment.key: assignment.variant_key}
            return decide(project.compiled, experiment.key, subject_id, context)
    return decision
