"""What rules make of what subjects do, on both databases, through the writer of profiles."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    Device,
    EventRule,
    Experiment,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Layer,
    LayerRange,
    Reason,
    Schedule,
    Status,
    Take,
    Unit,
    VisitorStatus,
    bucket_of,
)
from fairlot.events import Exposure
from fairlot.profiles import Activation, Happening, Profile, claim_of_subject
from fairlot.service.profiles import Work
from fairlot.service.snapshot import ProjectServing
from support.personalization_bench import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    RuledBench,
    a_personalization,
    a_property,
    a_ruled_project,
    ruled_bench,
)
from support.profile_bench import NOW_MS, PROJECT
from support.serving import a_variant


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[RuledBench]:
    with ruled_bench(tmp_path, database_url, a_ruled_project()) as made:
        yield made


def happen(
    bench: RuledBench, *happenings: tuple[str, int] | Happening, subject: str = "anna", **work: Any
) -> Profile:
    """Each by name and minutes after NOW_MS, or as it is; all in one work."""
    whole = [
        each
        if isinstance(each, Happening)
        else Happening(
            event_id=f"{subject}-{each[0]}-{each[1]}",
            name=each[0],
            at_ms=NOW_MS + each[1] * MINUTE_MS,
        )
        for each in happenings
    ]
    done = Work(PROJECT, claim_of_subject(subject), bench.now_ms, happenings=whole, **work)
    applied = asyncio.run(bench.profiles.apply(done))
    assert applied.profile is not None
    return applied.profile


def view(minute: int, **properties: Any) -> Happening:
    return Happening(
        event_id=f"view-{minute}",
        name="view",
        at_ms=NOW_MS + minute * MINUTE_MS,
        properties=properties,
    )


def when_of(profile: Profile, key: str = "offer") -> list[int | None] | None:
    """Start and end of the latest activation, in minutes after NOW_MS, and the how manieth."""
    found = profile.activations.get(f"exp_{key}")
    if found is None:
        return None
    ends = None if found.expires_at_ms is None else (found.expires_at_ms - NOW_MS) // MINUTE_MS
    return [(found.at_ms - NOW_MS) // MINUTE_MS, ends, found.times]


def activations(bench: RuledBench) -> list[Exposure]:
    return [each for each in bench.exposures() if not each.experiment_key.startswith("holdout.")]


def test_event__activates__with_an_exposure(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=HOUR_MS)))
    profile = happen(bench, ("view", -1))
    assert profile.activations == {
        "exp_offer": Activation(
            experiment_key="offer",
            variant_key="banner",
            at_ms=NOW_MS - MINUTE_MS,
            expires_at_ms=NOW_MS - MINUTE_MS + HOUR_MS,
            manifest_version=3,
        )
    }
    (exposure,) = bench.exposures()
    assert exposure == Exposure(
        exposure.event_id,
        PROJECT,
        "exp_offer",
        "offer",
        "anna",
        "anna",
        "banner",
        "var_banner",
        3,
        1,
        Reason.BUCKET,
        NOW_MS - MINUTE_MS,
        NOW_MS,
        source="personalization",
    )


def test_event__of_another_name_or_without_a_publication__does_nothing(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization()))
    assert happen(bench, ("click", 0)).activations == {}
    other = a_ruled_project(a_personalization())
    bench.publish(_of_another_project(other))
    assert happen(bench, ("view", 0)).activations == {}
    assert bench.exposures() == []


def _of_another_project(project: ProjectServing) -> ProjectServing:
    return replace(project, project_id="prj_2")


def test_event__the_same_again__activates_once(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=MINUTE_MS)))
    for _ in range(2):
        profile = happen(bench, ("view", 0))
    assert when_of(profile) == [0, 1, 1]
    assert len(bench.exposures()) == 1


def test_event__while_active__does_nothing_and_after_it_activates_again(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=10 * MINUTE_MS)))
    assert when_of(happen(bench, ("view", 0))) == [0, 10, 1]
    assert when_of(happen(bench, ("view", 9))) == [0, 10, 1]
    assert when_of(happen(bench, ("view", 10))) == [10, 20, 2]
    assert [each.reason for each in activations(bench)] == [Reason.BUCKET, Reason.STICKY]


def test_event__limit_reached__activates_no_more(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=MINUTE_MS, limit=2)))
    for minute in (0, 1, 2, 3):
        profile = happen(bench, ("view", minute))
    assert when_of(profile) == [1, 2, 2]


def test_event__without_an_end__activates_once_for_good(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization()))
    happen(bench, ("view", 0))
    assert when_of(happen(bench, ("view", 400 * 24 * 60))) == [0, None, 1]


def test_where__properties_do_not_match__does_nothing(bench: RuledBench) -> None:
    rule = EventRule("view", {"price": {"$gte": 100}})
    bench.publish(a_ruled_project(a_personalization(when=rule)))
    assert when_of(happen(bench, view(0, price=99), view(1))) is None
    assert when_of(happen(bench, view(2, price=100))) == [2, None, 1]


def test_three_within_an_hour__the_third__activates(bench: RuledBench) -> None:
    rule = EventRule("view", {"page": "pricing"}, count=3, within_ms=HOUR_MS)
    bench.publish(a_ruled_project(a_personalization(when=rule)))
    pricing = [view(minute, page="pricing") for minute in (0, 20, 60, 79)]
    assert when_of(happen(bench, pricing[0], pricing[1], view(30, page="home"))) is None
    assert when_of(happen(bench, pricing[2])) is None, "an hour after the first, which is out"
    assert when_of(happen(bench, view(61, page="home"))) is None
    assert when_of(happen(bench, pricing[3])) == [79, None, 1]


def test_three_within_an_hour__in_one_work__are_seen_one_after_the_other(
    bench: RuledBench,
) -> None:
    rule = EventRule("view", count=3, within_ms=HOUR_MS)
    bench.publish(a_ruled_project(a_personalization(when=rule, for_ms=MINUTE_MS)))
    assert when_of(happen(bench, view(0), view(1), view(2), view(3))) == [3, 4, 2]


@pytest.mark.parametrize("order", [(0, 40, 20), (20, 0, 40), (40, 20, 0), (40, 0, 20)])
def test_three_within_an_hour__out_of_order__activate_at_the_third_moment(
    bench: RuledBench, order: tuple[int, ...]
) -> None:
    rule = EventRule("view", count=3, within_ms=HOUR_MS)
    bench.publish(a_ruled_project(a_personalization(when=rule, for_ms=HOUR_MS)))
    for minute in order:
        profile = happen(bench, view(minute))
    assert when_of(profile) == [40, 100, 1]


def test_late_event__from_before_the_end_of_an_activation__does_nothing(
    bench: RuledBench,
) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=10 * MINUTE_MS)))
    happen(bench, ("view", 0))
    assert when_of(happen(bench, ("view", -60))) == [0, 10, 1]
    happen(bench, ("view", 30))
    assert when_of(happen(bench, ("view", 20))) == [30, 40, 2]


def test_late_event__completes_a_count_after_the_end_of_an_activation__activates_then(
    bench: RuledBench,
) -> None:
    rule = EventRule("view", count=2, within_ms=HOUR_MS)
    bench.publish(a_ruled_project(a_personalization(when=rule, for_ms=10 * MINUTE_MS)))
    assert when_of(happen(bench, view(0), view(1))) == [1, 11, 1]
    assert when_of(happen(bench, view(70))) == [1, 11, 1]
    assert when_of(happen(bench, view(10))) == [1, 11, 1], "active at 10, and 70 is too far"
    assert when_of(happen(bench, view(12))) == [12, 22, 2]
    assert when_of(happen(bench, view(21))) == [70, 80, 3], "at 21 active, at 70 not"


def test_two_rules_on_one_event__both__activate(bench: RuledBench) -> None:
    bench.publish(
        a_ruled_project(
            a_personalization("offer"),
            a_personalization("help", when=EventRule("view", {"page": "help"})),
            a_personalization("other", when="click"),
        )
    )
    profile = happen(bench, view(0, page="help"))
    assert sorted(profile.activations) == ["exp_help", "exp_offer"]
    assert len(bench.exposures()) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PAUSED},
        {"schedule": Schedule(start_ms=NOW_MS + 1)},
        {"schedule": Schedule(end_ms=NOW_MS)},
        {"audience": Audience(rule={"tier": "pro"})},
        {"audience": Audience(rule={"account.plan": "gold"})},
        {"audience": Audience(visitor_status=VisitorStatus.RETURNING)},
        {"audience": Audience(sample_rate_bp=0)},
        {"variants": (a_variant("banner", recipe_sample_rate_bp=0),)},
        {"layer": LayerRange("page", 0, 1)},
        {"unit": Unit.ACCOUNT},
    ],
)
def test_event__the_personalization_is_not_for_this_subject_now__does_nothing(
    bench: RuledBench, fields: dict[str, Any]
) -> None:
    offer = a_personalization(**fields)
    bench.publish(a_ruled_project(offer, layers=(Layer("page", "page"),)))
    assert happen(bench, ("view", 0)).activations == {}
    assert bench.exposures() == []


def test_schedule__is_asked_about_the_moment_of_the_event(bench: RuledBench) -> None:
    offer = a_personalization(schedule=Schedule(NOW_MS - HOUR_MS, NOW_MS))
    bench.publish(a_ruled_project(offer))
    assert when_of(happen(bench, ("view", 0))) is None
    assert when_of(happen(bench, ("view", -1))) == [-1, None, 1]


def test_killed__gone_from_the_manifest__activates_nobody(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(for_ms=MINUTE_MS)))
    happen(bench, ("view", 0))
    bench.publish(a_ruled_project())
    assert when_of(happen(bench, ("view", 5))) == [0, 1, 1]
    assert len(bench.exposures()) == 1


def test_page_and_device__an_event_has_none__do_not_matter(bench: RuledBench) -> None:
    audience = Audience(url_patterns=("/pricing",), device=Device.MOBILE)
    bench.publish(a_ruled_project(a_personalization(audience=audience)))
    assert when_of(happen(bench, ("view", 0))) == [0, None, 1]


def test_audience__of_what_is_known__holds(bench: RuledBench) -> None:
    audience = Audience(
        rule={"tier": "pro", "account.plan": "gold"}, visitor_status=VisitorStatus.NEW
    )
    bench.publish(a_ruled_project(a_personalization(audience=audience)))

    def upgrade(profile: Profile) -> Profile:
        return msgspec.structs.replace(profile, attributes={"tier": "pro"})

    profile = happen(
        bench,
        ("view", 0),
        steps=(upgrade,),
        account_id="acme",
        account_attributes={"plan": "gold"},
    )
    assert when_of(profile) == [0, None, 1]


def test_audience__of_history__counts_the_event_in(bench: RuledBench) -> None:
    twice = HistorySegment("twice", (HistoryCondition(EventRule("view", count=2)),))
    buyers = HistorySegment("buyers", (HistoryCondition(EventRule("buy", within_ms=DAY_MS)),))
    offer = a_personalization(audience=Audience(segments=("twice", "buyers")))
    bench.publish(a_ruled_project(offer, segments=(twice, buyers)))
    assert when_of(happen(bench, ("view", 0), ("view", 1))) is None
    assert when_of(happen(bench, ("buy", 2))) is None
    assert when_of(happen(bench, ("view", 3))) == [3, None, 1]


def test_unit_account__with_one__draws_by_it(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization(unit=Unit.ACCOUNT)))
    assert when_of(happen(bench, ("view", 0), account_id="acme")) == [0, None, 1]
    (exposure,) = bench.exposures()
    assert (exposure.subject_id, exposure.unit_id) == ("anna", "acme")


@pytest.mark.parametrize("unit", [Unit.SUBJECT, Unit.ACCOUNT])
def test_control_share__by_its_own_draw__is_recorded_and_stays(
    bench: RuledBench, unit: Unit
) -> None:
    offer = a_personalization(for_ms=MINUTE_MS, control_share_bp=5000, unit=unit)
    bench.publish(a_ruled_project(offer))
    arms = {}
    for number in range(30):
        who = f"s{number}"
        account = f"a{number}" if unit is Unit.ACCOUNT else None
        profile = happen(bench, ("view", 0), subject=who, account_id=account)
        arms[who] = profile.activations["exp_offer"].variant_key
        drawn = bucket_of("offer", "control", account or who)
        assert arms[who] == (None if drawn < 5000 else "banner")
    assert set(arms.values()) == {None, "banner"}
    recorded = {each.subject_id: (each.variant_key, each.variant_id) for each in bench.exposures()}
    arm_of = {None: ("control", ""), "banner": ("banner", "var_banner")}
    assert recorded == {who: arm_of[arm] for who, arm in arms.items()}
    bench.publish(a_ruled_project(_with_share(offer, 10_000)))
    for who, arm in arms.items():
        again = happen(bench, ("view", 5), subject=who, account_id=f"a{who[1:]}")
        assert again.activations["exp_offer"].variant_key == arm, "its first arm"
        assert again.activations["exp_offer"].times == 2


def _with_share(offer: Experiment, share_bp: int) -> Experiment:
    return a_personalization(for_ms=MINUTE_MS, control_share_bp=share_bp, unit=offer.unit)


def test_weights_changed__who_was_activated__keeps_the_variant(bench: RuledBench) -> None:
    def weighted(banner: int) -> Experiment:
        variants = (
            a_variant("banner", weight=banner),
            a_variant("popup", weight=10_000 - banner),
        )
        return a_personalization(variants=variants, for_ms=MINUTE_MS)

    bench.publish(a_ruled_project(weighted(10_000)))
    happen(bench, ("view", 0))
    bench.publish(a_ruled_project(weighted(0)))
    profile = happen(bench, ("view", 5))
    assert profile.activations["exp_offer"].variant_key == "banner"


def test_variant_removed__who_had_it__is_drawn_anew(bench: RuledBench) -> None:
    bench.publish(a_ruled_project(a_personalization()))
    happen(bench, ("view", 0))
    bench.publish(
        a_ruled_project(a_personalization(variants=(a_variant("popup"),), control_share_bp=10_000))
    )
    assert when_of(happen(bench, ("view", -5))) == [0, None, 1], "a late one does not count"
    profile = happen(bench, ("view", 5))
    assert when_of(profile) == [5, None, 2]
    assert profile.activations["exp_offer"].variant_key == "popup", "and no control now"


def test_rolled_out__nobody_is_control(bench: RuledBench) -> None:
    offer = a_personalization(
        status=Status.COMPLETED, rollout="banner", control_share_bp=10_000, for_ms=MINUTE_MS
    )
    bench.publish(a_ruled_project(offer))
    profile = happen(bench, ("view", 0))
    assert profile.activations["exp_offer"].variant_key == "banner"
    (exposure,) = bench.exposures()
    assert exposure.reason is Reason.DIVERT


@pytest.mark.parametrize(("rate_bp", "arm"), [(10_000, "held"), (0, "open")])
def test_holdout__applies_and_is_measured(bench: RuledBench, rate_bp: int, arm: str) -> None:
    holdout = Holdout("all", "holdout.shop", rate_bp)
    bench.publish(a_ruled_project(a_personalization(), holdout=holdout))
    profile = happen(bench, ("view", 0), ("view", 1))
    assert bool(profile.activations) is (arm == "open")
    measured = {each.event_id: each for each in bench.exposures() if each not in activations(bench)}
    (held,) = measured.values()
    assert (held.experiment_key, held.variant_key, held.source) == (
        "holdout.all",
        arm,
        "personalization",
    )


def test_event__with_the_privacy_signal__activates_with_exposures_that_say_so(
    bench: RuledBench,
) -> None:
    holdout = Holdout("all", "holdout.shop", 0)
    bench.publish(a_ruled_project(a_personalization(), holdout=holdout))
    assert happen(bench, view(0, gpc=True)).activations
    assert [each.properties for each in bench.exposures()] == [{"gpc": True}] * 2


def test_property__taken_from_events__by_its_rule(bench: RuledBench) -> None:
    rules = (
        a_property("last_page", "view", "page"),
        a_property("views", "view", take=Take.COUNT),
        a_property("spent", EventRule("buy", {"currency": "EUR"}), "cart.total", Take.SUM),
        a_property("keen", EventRule("view", count=3), "page", Take.FIRST),
    )
    bench.publish(a_ruled_project(properties=rules))
    buy = Happening(
        event_id="buy", name="buy", at_ms=NOW_MS, properties={"cart": {"total": 5}, "currency": "$"}
    )
    profile = happen(bench, view(0, page="home"), view(1, page="pricing"), view(2), buy)
    values = {key: each.value for key, each in profile.properties.items()}
    assert values == {"last_page": None, "views": 3, "keen": None}
    assert bench.exposures() == []


def test_broken_rules__do_not_spoil_the_others(bench: RuledBench) -> None:
    project = a_ruled_project(
        a_personalization("few", when=EventRule("view", count=0)),
        a_personalization("offer"),
        properties=(
            a_property("bad", EventRule("view", {"x": {"$no": 1}}), "x"),
            a_property("views", "view", take=Take.COUNT),
        ),
    )
    assert project.compiled.broken == {"few": "when.count: 0: use 1 to 1000"}
    assert list(project.rules.broken) == ["bad"]
    assert "when.where" in project.rules.broken["bad"]
    bench.publish(project)
    profile = happen(bench, view(0))
    assert list(profile.activations) == ["exp_offer"]
    assert list(profile.properties) == ["views"]
