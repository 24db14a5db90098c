"""Both figures of a plan, against deciding with the engine for every known subject."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from fairlot.engine import (
    CompiledManifest,
    Context,
    Holdout,
    Layer,
    LayerRange,
    Manifest,
    Reason,
    Schedule,
    Status,
    compile_manifest,
    decide,
)
from fairlot.events.records import Actor
from fairlot.service.effects import effects_of
from fairlot.service.moves import counting
from fairlot.service.moves.shares import Pair
from fairlot.service.plan_document import Cause, KnownFigure
from support.shop_log import (
    BEFORE,
    DAY_MS,
    NOW_MS,
    PAGE,
    ShopLog,
    a_shop_log,
    arms,
    experiment,
    experiment_of,
    with_experiment,
)

NOBODY = replace(BEFORE, experiments=())


def changed(key: str, **fields: object) -> Manifest:
    return with_experiment(BEFORE, key, **fields)


def resampled(key: str, rate_bp: int) -> Manifest:
    now = experiment_of(BEFORE, key)
    assert now is not None
    return changed(key, audience=replace(now.audience, sample_rate_bp=rate_bp))


CHANGES: dict[str, tuple[Manifest, Manifest]] = {
    "50/50 to 60/40": (BEFORE, changed("plain", variants=arms(6_000, 4_000))),
    "two variants swapped": (BEFORE, changed("plain", variants=arms(5_000, 5_000)[::-1])),
    "three variants reordered": (
        BEFORE,
        changed("three", variants=arms(5_000, 3_000, 2_000)[::-1]),
    ),
    "a lower sample rate": (BEFORE, resampled("plain", 5_000)),
    "a higher sample rate": (BEFORE, resampled("plain", 10_000)),
    "a layer range that moves": (BEFORE, changed("three", layer=LayerRange("page", 4_000, 10_000))),
    "a layer that is left": (BEFORE, changed("three", layer=None)),
    "an account layer range that moves": (
        BEFORE,
        changed("teams", layer=LayerRange("page", 0, 4_000)),
    ),
    "a new salt of the layer": (BEFORE, replace(BEFORE, layers=(Layer("page", "layer.new"),))),
    "a new holdout": (replace(BEFORE, holdout=None), BEFORE),
    "a larger holdout": (BEFORE, replace(BEFORE, holdout=Holdout("main", "holdout.main", 2_000))),
    "a new salt of the holdout": (BEFORE, replace(BEFORE, holdout=Holdout("main", "other", 500))),
    "the end of the holdout": (BEFORE, replace(BEFORE, holdout=None)),
    "a variant removed": (BEFORE, changed("three", variants=arms(6_000, 4_000))),
    "a variant added that was there once": (
        BEFORE,
        changed("plain", variants=arms(4_000, 4_000, 2_000)),
    ),
    "a new salt": (BEFORE, changed("plain", salt="afresh")),
    "rolled out": (BEFORE, changed("plain", status=Status.COMPLETED, rollout="b")),
    "an account roll-out leaves its layer": (
        BEFORE,
        changed("teams", status=Status.COMPLETED, rollout="b"),
    ),
    "diverted": (BEFORE, changed("three", divert_to="c")),
    "paused": (BEFORE, changed("plain", status=Status.PAUSED)),
    "resumed": (changed("plain", status=Status.PAUSED), BEFORE),
    "ended by its schedule": (BEFORE, changed("plain", schedule=Schedule(end_ms=NOW_MS))),
    "not yet started": (BEFORE, changed("plain", schedule=Schedule(start_ms=NOW_MS + 1))),
    "deleted": (BEFORE, NOBODY),
    "created": (NOBODY, BEFORE),
    "other weights behind a rule": (
        BEFORE,
        changed("ruled", variants=arms(6_000, 4_000, recipe_sample_rate_bp=7_000)),
    ),
    "a higher recipe rate behind a rule": (
        BEFORE,
        changed("ruled", variants=arms(4_000, 6_000, recipe_sample_rate_bp=9_000)),
    ),
    "a lower sample rate behind a rule": (BEFORE, resampled("ruled", 3_000)),
    "rolled out behind a rule": (
        BEFORE,
        changed("ruled", status=Status.COMPLETED, rollout="a"),
    ),
    "everything at once": (
        BEFORE,
        replace(
            BEFORE,
            experiments=(
                experiment("plain", variants=arms(2_000, 3_000, 5_000)[::-1]),
                experiment(
                    "three", variants=arms(1_000, 9_000), layer=LayerRange("page", 10, 8_000)
                ),
                experiment("new", variants=arms(5_000, 5_000)),
            ),
            holdout=Holdout("main", "holdout.main", 1_000),
            layers=(Layer("page", "layer.other"),),
        ),
    ),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopLog]:
    with a_shop_log(tmp_path_factory.mktemp("events")) as shop:
        yield shop


class Seen:
    """What a plain reading of the log knows: the answers that the test expects."""

    def __init__(self, shop: ShopLog) -> None:
        self.subjects: set[str] = set()
        self.accounts: set[str] = set()
        self.shown_in: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self.stored = cache(shop.log.stored_assignments)
        for one in sorted(shop.exposures, key=lambda one: one.occurred_at_ms):
            is_late = one.received_at_ms >= NOW_MS - 28 * DAY_MS
            if is_late and one.actor is Actor.HUMAN and one.reason is not Reason.PREVIEW:
                self.subjects.add(one.subject_id)
                if one.unit_id != one.subject_id:
                    self.accounts.add(one.unit_id)
                self.shown_in[one.experiment_key][one.unit_id] = one.variant_key

    def units(self, key: str) -> set[str]:
        """Whom the log can tell about."""
        known = self.accounts if key == "teams" else self.subjects
        if key != "ruled":
            return known
        assigned = {unit for unit in known if self.stored("exp_ruled", unit)}
        return assigned | self.shown_in[key].keys()

    def memory(self, key: str, unit: str, manifest: Manifest) -> str | None:
        now = experiment_of(manifest, key)
        stored = self.stored(f"exp_{key}", unit)
        kept = [each.variant_key for each in stored if now and now.variant(each.variant_key)]
        return kept[0] if kept else None if stored else self.shown_in[key].get(unit)

    def answer(self, compiled: CompiledManifest, key: str, unit: str, sticky: bool) -> str | None:
        remembered = self.memory(key, unit, compiled.manifest) if sticky else None
        context = Context(
            attributes={"tier": "pro"},
            url=PAGE,
            account_id=unit,
            now_ms=NOW_MS,
            sticky={key: remembered} if remembered else None,
        )
        variant = decide(compiled, key, unit, context).variant
        return None if variant is None else variant.key


def movers(
    seen: Seen, before: CompiledManifest, after: CompiledManifest, key: str, *, sticky: bool
) -> Counter[Pair]:
    """All pairs of answers by the engine, those that stay the same included."""
    return Counter(
        (seen.answer(before, key, unit, sticky), seen.answer(after, key, unit, sticky))
        for unit in seen.units(key)
    )


@pytest.fixture(scope="module")
def seen(shop: ShopLog) -> Seen:
    return Seen(shop)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_figures__change__the_movers_of_the_engine(name: str, shop: ShopLog, seen: Seen) -> None:
    before, after = CHANGES[name]
    effects, summary = effects_of(before, after, shop.known, now_ms=NOW_MS)
    assert effects
    assert summary is not None
    assert (summary.subjects, summary.accounts) == (len(seen.subjects), len(seen.accounts))
    compiled = compile_manifest(before), compile_manifest(after)
    for effect in effects:
        key = effect.experiment
        for figure, sticky in ((effect.by_draw, False), (effect.after_sticky, True)):
            if key == "ruled" and effect.causes == (Cause.CREATED,):
                assert figure is None
                continue
            assert_same(figure, movers(seen, *compiled, key, sticky=sticky))


@pytest.mark.slow
def test_figures__log_shared_by_processes__the_same(
    shop: ShopLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = CHANGES["everything at once"]
    alone = effects_of(before, after, shop.known, now_ms=NOW_MS)
    monkeypatch.setattr(counting, "_LARGE_ROWS", 1)
    monkeypatch.setattr(counting, "_ROWS_A_SLICE", 2_000)
    shared = replace(shop.known, processes=2)
    assert effects_of(before, after, shared, now_ms=NOW_MS) == alone


def assert_same(figure: KnownFigure | None, expected: Counter[Pair]) -> None:
    assert figure is not None
    changing = {pair: number for pair, number in expected.items() if pair[0] != pair[1]}
    assert {(pair.before, pair.after): pair.subjects for pair in figure.pairs} == changing
    assert figure.subjects == expected.total()
    assert figure.entered == sum(number for pair, number in changing.items() if pair[0] is None)
    assert figure.left == sum(number for pair, number in changing.items() if pair[1] is None)
    assert figure.changed == sum(changing.values())
