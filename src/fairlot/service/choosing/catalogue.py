"""The experiences that a project can serve, ready to be picked from by name and group."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fairlot.engine import CompiledExperiment, Context, Device, Experiment, Unit
from fairlot.engine.bindings import feeds_bound
from fairlot.engine.step import LastRun
from fairlot.manifest.experiment_fields import Display, OnLogin
from fairlot.service.choosing.question import Question
from fairlot.service.snapshot import ProjectServing


@dataclass(frozen=True, slots=True)
class Candidate:
    """`answer_plain` and `answer_remembering` are those of the compiled experiment. `is_plain`:
    nothing but the decision table stands between a profile and its variant.
    `asks_log`: what was assigned is remembered in the event log, as accounts have no profile of
    their own and a draw may have changed; else the profile remembers. `is_triggered`: what the
    subject did decides. `binds_feeds` are the keys of the variants whose payload does."""

    rank: int
    experiment: Experiment
    key: str
    id: str
    answer_plain: LastRun
    answer_remembering: LastRun
    is_limited: bool
    wants_history: bool
    is_of_subject: bool
    follows_login: bool
    asks_log: bool
    is_triggered: bool
    binds_feeds: frozenset[str]
    is_plain: bool


class Catalogue:
    """The candidates of one manifest in the order of answers: highest priority first, then key."""

    def __init__(self, project: ProjectServing) -> None:
        running = [
            each
            for each in project.compiled.manifest.experiments
            if isinstance(each, Experiment) and each.key not in project.compiled.broken
        ]
        running.sort(key=lambda each: (-each.priority, each.key))
        self._all = tuple(_candidate(rank, each, project) for rank, each in enumerate(running))
        self._compiled = project.compiled.experiments
        self._has_holdout = project.compiled.manifest.holdout is not None
        self._by_device: dict[Device | None, Sequence[Candidate]] = {}
        self._wants_history = any(each.wants_history for each in self._all)
        self._by_name: Mapping[str, Candidate] = {each.experiment.key: each for each in self._all}
        groups: defaultdict[str, list[Candidate]] = defaultdict(list)
        for each in self._all:
            if each.experiment.group is not None:
                groups[each.experiment.group].append(each)
        self._by_group: Mapping[str, Sequence[Candidate]] = groups

    def asked_for(self, question: Question) -> Sequence[Candidate]:
        """Those of its names and groups, each once; an empty filter adds nothing, and none at all
        is everything that its device may get."""
        names, groups = question.names, question.groups
        if names is None and groups is None:
            return self._all if question.url is not None else self._everything(question.device)
        found: dict[int, Candidate] = {}
        _add(found, (self._by_name[name] for name in names or () if name in self._by_name))
        for group in groups or ():
            _add(found, self._by_group.get(group, ()))
        return [found[rank] for rank in sorted(found)]

    def _everything(self, device: Device | None) -> Sequence[Candidate]:
        """For a request without a URL, whose device alone says which pages match. A holdout is
        measured over whoever asks, and so everything is decided."""
        if self._has_holdout:
            return self._all
        if device not in self._by_device:
            context = Context(device=device)
            self._by_device[device] = tuple(
                each for each in self._all if _may_match(self._compiled[each.key], context)
            )
        return self._by_device[device]

    def history_wanted(self, candidates: Sequence[Candidate]) -> bool:
        """Whether one of them asks about what the profile did."""
        return self._wants_history and any(each.wants_history for each in candidates)


def _add(found: dict[int, Candidate], candidates: Iterable[Candidate]) -> None:
    for each in candidates:
        found[each.rank] = each


def _may_match(compiled: CompiledExperiment, context: Context) -> bool:
    page = next((step for step in compiled.steps if step.name == "page"), None)
    return page is None or page.run()("", "", context) is None


def _candidate(rank: int, experiment: Experiment, project: ProjectServing) -> Candidate:
    compiled = project.compiled.experiments[experiment.key]
    is_of_subject = experiment.unit is Unit.SUBJECT
    is_limited = experiment.display != Display.ALWAYS
    follows_login = is_of_subject and experiment.on_login != OnLogin.KEEP
    asks_log = experiment.key in project.always_look_up or not is_of_subject
    return Candidate(
        rank,
        experiment,
        experiment.key,
        experiment.id,
        compiled.answer_plain,
        compiled.answer_remembering,
        is_limited=is_limited,
        wants_history=bool(project.profile_needs.get(experiment.key)),
        is_of_subject=is_of_subject,
        follows_login=follows_login,
        asks_log=asks_log,
        is_triggered=experiment.activation is not None,
        binds_feeds=frozenset(
            each.key for each in experiment.variants if feeds_bound(each.payload)
        ),
        is_plain=not (is_limited or follows_login or asks_log),
    )


class Catalogues:
    """Of all projects, made anew when a project has another manifest."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[ProjectServing, Catalogue]] = {}

    def of(self, project: ProjectServing) -> Catalogue:
        known = self._known.get(project.project_id)
        if known is not None and known[0] is project:
            return known[1]
        if (
            known is not None
            and known[0].compiled is project.compiled
            and known[0].always_look_up == project.always_look_up
        ):
            made = known[1]
        else:
            made = Catalogue(project)
        self._known[project.project_id] = (project, made)
        return made
