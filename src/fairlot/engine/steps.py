"""The steps of a decision, one function a step, in the order of the decision table.

Each builder looks at one experiment and returns either a step, or a sentence that says why the
step can never answer for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fairlot.engine.audience import PagePart, PersonPart
from fairlot.engine.bucketing import Draw, Outcome, rate_draw, split_ends
from fairlot.engine.hashing import HOLDOUT, LAYER, SAMPLE, VARIANT, recipe_purpose
from fairlot.engine.model import (
    BUCKETS,
    FULL_RATE_BP,
    AdapterCall,
    Context,
    Decision,
    Experiment,
    Holdout,
    Layer,
    Reason,
    Status,
    Unit,
    Variant,
)
from fairlot.engine.schedule import state_at
from fairlot.engine.step import (
    Seen,
    Step,
    asking_step,
    describe_draw,
    draw_step,
    guard_step,
    lookup_step,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """An experiment, and what its steps need beside it, compiled."""

    experiment: Experiment
    page: PagePart | None
    person: PersonPart | None
    holdout: Holdout | None
    layer: Layer | None

    def none(self, reason: Reason) -> Decision:
        return Decision(self.experiment.key, None, reason, False, self.experiment)

    def some(self, variant: Variant, reason: Reason, *, store: bool = False) -> Decision:
        return Decision(self.experiment.key, variant, reason, store, self.experiment)

    def by_key(self, reason: Reason, *, store: bool = False) -> dict[str, Decision]:
        variants = self.experiment.variants
        return {variant.key: self.some(variant, reason, store=store) for variant in variants}


Builder = Callable[[Parts], Step | str]


def preview_step(parts: Parts) -> Step | str:
    previews = parts.by_key(Reason.PREVIEW)
    key = parts.experiment.key

    def wanted(context: Context) -> str | None:
        return context.overrides.preview.get(key) if context.overrides else None

    return lookup_step("preview", wanted, previews, "verified token for")


def excluded_step(parts: Parts) -> Step | str:
    decision = parts.none(Reason.EXCLUDED)

    def is_excluded(context: Context) -> bool:
        return context.overrides is not None and context.overrides.excluded

    return guard_step(
        "excluded",
        lambda _subject, context: not is_excluded(context),
        decision,
        lambda _unit, _subject, context: Seen(
            "the caller excludes everyone" if is_excluded(context) else "not excluded", {}
        ),
    )


def state_step(parts: Parts) -> Step | str:
    experiment = parts.experiment
    if experiment.status is Status.COMPLETED and experiment.rollout is not None:
        return "completed and rolled out"
    if experiment.status is Status.RUNNING and experiment.schedule is None:
        return "running, without a schedule"
    closed = {
        reason: parts.none(reason) for reason in (Reason.SCHEDULED, Reason.ENDED, Reason.PAUSED)
    }

    def run(_unit: str, _subject: str, context: Context) -> Decision | None:
        reason = state_at(experiment, context.now_ms)
        return None if reason is None else closed[reason]

    return asking_step(
        "state",
        run,
        lambda _unit, _subject, context: Seen(
            f"status {experiment.status}", {"nowMs": context.now_ms}
        ),
    )


def page_step(parts: Parts) -> Step | str:
    page = parts.page
    if page is None:
        return "the audience names no page"
    failing_part = page.failing_part
    return guard_step(
        "page",
        lambda _subject, context: failing_part(context) is None,
        parts.none(Reason.AUDIENCE),
        lambda _unit, _subject, context: Seen(
            page.outcome_text(context),
            {"url": context.url, "search": context.search, "device": context.device},
        ),
    )


def unit_step(parts: Parts) -> Step | str:
    if parts.experiment.unit is Unit.SUBJECT:
        return "the subject is the unit"
    no_unit = parts.none(Reason.NO_UNIT)
    return asking_step(
        "unit",
        lambda unit, _subject, _context: None if unit else no_unit,
        lambda unit, _subject, _context: Seen(
            f"account {unit}" if unit else "no account id given", {}
        ),
    )


def holdout_step(parts: Parts) -> Step | str:
    if parts.holdout is None:
        return "the project has no holdout"
    held = parts.none(Reason.HOLDOUT)
    return draw_step("holdout", holdout_draw(parts.holdout, held, None))


def layer_step(parts: Parts) -> Step | str:
    owned = parts.experiment.layer
    if owned is None or parts.layer is None:
        return "in no layer"
    if parts.experiment.status is Status.COMPLETED:
        return "a rolled-out experiment has left its layer"
    elsewhere = parts.none(Reason.LAYER)
    ends, outcomes = (owned.start, owned.end, BUCKETS), (elsewhere, None, elsewhere)
    return draw_step("layer", Draw(parts.layer.salt, LAYER, ends, outcomes))


def diverted_variant(experiment: Experiment) -> Variant | None:
    """Where everybody who is eligible goes, if anywhere."""
    is_completed = experiment.status is Status.COMPLETED
    target = experiment.rollout if is_completed else experiment.divert_to
    return experiment.variant(target) if target is not None else None


def divert_step(parts: Parts) -> Step | str:
    variant = diverted_variant(parts.experiment)
    if variant is None:
        return "diverts nobody"
    diverted, person = parts.some(variant, Reason.DIVERT), parts.person
    if person is None:
        return asking_step(
            "divert",
            lambda _unit, _subject, _context: diverted,
            lambda _unit, _subject, _context: Seen(f"everyone eligible goes to {variant.key}", {}),
        )
    return asking_step(
        "divert",
        lambda _unit, subject, context: diverted if person.holds(subject, context) else None,
        lambda _unit, subject, context: Seen(
            person.outcome_text(subject, context), person.inputs(context)
        ),
    )


def sticky_step(parts: Parts) -> Step | str:
    key = parts.experiment.key

    def stored(context: Context) -> str | None:
        return None if context.sticky is None else context.sticky.get(key)

    return lookup_step("sticky", stored, parts.by_key(Reason.STICKY), "remembered")


def person_step(parts: Parts) -> Step | str:
    person = parts.person
    if person is None:
        return "the audience names no person"
    return guard_step(
        "person",
        person.holds,
        parts.none(Reason.AUDIENCE),
        lambda _unit, subject, context: Seen(
            person.outcome_text(subject, context), person.inputs(context)
        ),
    )


def sample_step(parts: Parts) -> Step | str:
    rate_bp = parts.experiment.audience.sample_rate_bp
    if rate_bp == FULL_RATE_BP:
        return "everyone is sampled"
    outside = parts.none(Reason.SAMPLE)
    return draw_step("sample", rate_draw(parts.experiment.salt, SAMPLE, rate_bp, None, outside))


def adapter_step(parts: Parts) -> Step | str:
    chosen_as = parts.by_key(Reason.ADAPTER, store=parts.experiment.adapter_is_randomised)
    key = parts.experiment.key

    def run(_unit: str, subject_id: str, context: Context) -> Decision | None:
        ask = context.overrides.adapter if context.overrides else None
        if ask is None:
            return None
        try:
            answer = ask(AdapterCall(key, subject_id, context))
        except Exception:  # noqa: BLE001 - the caller's code; one that fails is skipped
            return None
        return chosen_as.get(answer) if isinstance(answer, str) else None

    return asking_step(
        "adapter",
        run,
        lambda _unit, _subject, context: Seen(
            "the caller's adapter" if context.overrides and context.overrides.adapter else "none",
            {},
        ),
    )


def activation_step(parts: Parts) -> Step:
    """What an event has activated; holdout, layer, sample and weights were drawn for then. Where
    everybody is diverted, all of the active are, the control share too."""
    key = parts.experiment.key
    active, inactive = parts.by_key(Reason.STICKY), parts.none(Reason.AUDIENCE)
    target = diverted_variant(parts.experiment)
    diverted = None if target is None else parts.some(target, Reason.DIVERT)

    def run(_unit: str, _subject: str, context: Context) -> Decision:
        activations = context.activations
        if activations is None or key not in activations:
            return inactive
        return diverted or active.get(activations[key] or "", inactive)

    def describe(_unit: str, _subject: str, context: Context) -> Seen:
        activations = context.activations
        if activations is None or key not in activations:
            return Seen("nothing is active for the subject", {})
        variant_key = activations[key]
        if variant_key is None:
            return Seen("active: the control share", {"variant": None})
        known = "" if variant_key in active else ", which is no variant any more"
        return Seen(f"active: {variant_key}{known}", {"variant": variant_key})

    return asking_step("activation", run, describe)


def bucket_step(parts: Parts) -> Step:
    variants = parts.experiment.variants
    weights = [variant.weight for variant in variants if variant.weight is not None]
    ends = split_ends(weights or None, len(variants))
    drawn = tuple(parts.some(variant, Reason.BUCKET, store=True) for variant in variants)
    return draw_step("bucket", Draw(parts.experiment.salt, VARIANT, ends, drawn))


DECISION_TABLE: Final[tuple[tuple[str, Builder], ...]] = (
    ("preview", preview_step),
    ("excluded", excluded_step),
    ("state", state_step),
    ("page", page_step),
    ("unit", unit_step),
    ("holdout", holdout_step),
    ("layer", layer_step),
    ("divert", divert_step),
    ("sticky", sticky_step),
    ("person", person_step),
    ("sample", sample_step),
    ("adapter", adapter_step),
    ("bucket", bucket_step),
)
# Of a personalization that events activate.
TRIGGERED_TABLE: Final[tuple[tuple[str, Builder], ...]] = (
    ("preview", preview_step),
    ("excluded", excluded_step),
    ("state", state_step),
    ("page", page_step),
    ("unit", unit_step),
    ("person", person_step),
    ("activation", activation_step),
)
# These answer only when the context brings overrides, the second set also when it brings a memory;
# calls without leave them out.
OVERRIDE_STEPS: Final = frozenset({"preview", "excluded", "adapter"})
CONTEXT_STEPS: Final = OVERRIDE_STEPS | {"sticky"}
# What these answer still has to pass the variant's recipe sample rate, the table's last row.
GATED_STEPS: Final = frozenset({"sticky", "adapter", "bucket"})
RECIPE: Final = "recipe"
SERVED: Final = "served"
NOT_SERVED: Final = "not served"


def table_for(experiment: Experiment) -> tuple[tuple[str, Builder], ...]:
    """The decision table; with `recheckAudience` the person comes before the memory."""
    if experiment.activation is not None:
        return TRIGGERED_TABLE
    if not experiment.recheck_audience:
        return DECISION_TABLE
    order = [name for name, _ in DECISION_TABLE]
    person, sticky = order.index("person"), order.index("sticky")
    rows = list(DECISION_TABLE)
    rows.insert(sticky, rows.pop(person))
    return tuple(rows)


def gated(step: Step, parts: Parts) -> Step:
    """`step`, its answers turned into `recipe` outside the rate of the variant that they name."""
    gates = recipe_draws(parts)
    if not gates:
        return step
    outcome_for = {key: gate.outcome_for() for key, gate in gates.items()}
    not_served = parts.none(Reason.RECIPE)
    run_step = step.run()

    def run(unit_id: str, subject_id: str, context: Context) -> Decision | None:
        decision = run_step(unit_id, subject_id, context)
        if decision is None or decision.variant is None:
            return decision
        outcome = outcome_for.get(decision.variant.key)
        return decision if outcome is None or outcome(unit_id) == SERVED else not_served

    def describe(unit_id: str, subject_id: str, context: Context) -> Seen:
        before, seen = (
            run_step(unit_id, subject_id, context),
            step.describe(unit_id, subject_id, context),
        )
        gate = gates.get(before.variant.key) if before is not None and before.variant else None
        if gate is None:
            return seen
        drawn = describe_draw(gate, unit_id)
        note = f"{seen.note}, then its recipe {drawn.note}"
        return Seen(note, {**seen.details, RECIPE: drawn.details})

    return asking_step(step.name, run, describe)


def recipe_draws(parts: Parts) -> dict[str, Draw[str]]:
    """Per variant that is not served to all who drew it: who is."""
    return {
        variant.key: rate_draw(
            parts.experiment.salt,
            recipe_purpose(variant.key),
            variant.recipe_sample_rate_bp,
            inside=SERVED,
            outside=NOT_SERVED,
        )
        for variant in parts.experiment.variants
        if variant.recipe_sample_rate_bp != FULL_RATE_BP
    }


def holdout_draw(holdout: Holdout, held: Outcome, open_: Outcome) -> Draw[Outcome]:
    return rate_draw(holdout.salt, HOLDOUT, holdout.rate_bp, held, open_)
