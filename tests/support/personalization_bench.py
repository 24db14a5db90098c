"""Personalizations and property rules over real profiles and a real event log, on a clock that
stands still."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairlot.engine import (
    ActivationRule,
    EventRule,
    Experiment,
    ExperimentType,
    Manifest,
    PropertyRule,
    Segment,
    Take,
    compile_manifest,
)
from fairlot.engine.needs import all_of, profile_needs
from fairlot.manifest.parts import manifest_parts
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.personalization.reactor import RuleReactor
from fairlot.service.personalization.rules import compile_rules
from fairlot.service.snapshot import ProjectServing, Snapshot
from support.experiment_texts import read_text
from support.profile_bench import PROJECT, ProfileBench, profile_bench
from support.serving import a_project, a_snapshot, a_variant

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def a_personalization(
    key: str = "offer", when: EventRule | str = "view", **fields: Any
) -> Experiment:
    """Activated by each `view` for good, for all but nobody as control. `for_ms`, `limit` and
    `control_share_bp` are of its rule."""
    rule = ActivationRule(
        when=EventRule(when) if isinstance(when, str) else when,
        for_ms=fields.pop("for_ms", None),
        limit=fields.pop("limit", None),
        control_share_bp=fields.pop("control_share_bp", 0),
    )
    plain = Experiment(
        key=key,
        salt=key,
        variants=(a_variant("banner", payload={"text": key}),),
        id=f"exp_{key}",
        name=key.title(),
        type=ExperimentType.PERSONALIZATION,
        activation=rule,
    )
    return replace(plain, **fields)


def a_property(
    key: str, event: EventRule | str, value: str | None = None, take: Take = Take.LAST
) -> PropertyRule:
    return PropertyRule(key, EventRule(event) if isinstance(event, str) else event, value, take)


def a_ruled_project(
    *experiments: Experiment,
    properties: tuple[PropertyRule, ...] = (),
    segments: tuple[Segment, ...] = (),
    **fields: Any,
) -> ProjectServing:
    plain = a_project(*experiments, project_id=PROJECT)
    whole: Manifest = replace(
        plain.compiled.manifest, properties=properties, segments=segments, **fields
    )
    compiled = compile_manifest(whole)
    needs = profile_needs(whole)
    return replace(
        plain,
        compiled=compiled,
        profile_needs=needs,
        history_wanted=all_of(needs.values()),
        rules=compile_rules(compiled, needs),
    )


def a_written_project(text: str) -> ProjectServing:
    """Of documents in YAML. Ids are made of keys."""
    documents, problems = read_text(text)
    assert list(map(str, problems)) == []
    definitions = [each.definition for each in documents.definitions]
    parts = manifest_parts(map(_with_ids, documents.experiments), definitions, "default")
    experiments = [each for each in parts.experiments if isinstance(each, Experiment)]
    return a_ruled_project(
        *experiments,
        properties=parts.properties,
        segments=parts.segments,
        layers=parts.layers,
        holdout=parts.holdout,
    )


def _with_ids(spec: ExperimentSpec) -> Experiment:
    experiment = spec.experiment
    variants = tuple(replace(each, id=f"var_{each.key}") for each in experiment.variants)
    return replace(experiment, id=f"exp_{experiment.key}", variants=variants)


class RuledBench(ProfileBench):
    """A bench whose project can be published anew."""

    snapshot: Snapshot

    def publish(self, project: ProjectServing) -> None:
        self.snapshot = a_snapshot(project)


@contextmanager
def ruled_bench(
    tmp_path: Path, database_url: str | None, project: ProjectServing
) -> Iterator[RuledBench]:
    reactor = RuleReactor(lambda: bench.snapshot, lambda: bench.now_ms)
    with profile_bench(tmp_path, database_url, reactor) as made:
        bench = RuledBench(made.profiles, made.log, made.events_dir)
        bench.publish(project)
        yield bench
