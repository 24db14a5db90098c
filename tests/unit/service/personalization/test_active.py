"""Which activated variants are served."""

from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    Context,
    Experiment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    Schedule,
    Status,
    Unit,
)
from fairlot.profiles import Activation, Profile
from fairlot.service.personalization.active import active_variants
from support.personalization_bench import HOUR_MS, a_personalization, a_ruled_project
from support.serving import NOW_MS, a_variant

ACTIVE = Activation(
    experiment_key="offer",
    variant_key="banner",
    at_ms=NOW_MS - HOUR_MS,
    expires_at_ms=NOW_MS + HOUR_MS,
    manifest_version=3,
)
TWO = (a_variant("banner"), a_variant("popup"))


def served(*experiments: Experiment, now_ms: int = NOW_MS, **activations: Activation) -> list[Any]:
    """By experiment key and variant key, for anna."""
    project = a_ruled_project(*experiments)
    profile = Profile(
        id="pro_1",
        project_id=project.project_id,
        subject_id="anna",
        created_at_ms=0,
        last_seen_at_ms=0,
        activations={f"exp_{key}": each for key, each in activations.items()},
    )
    found = active_variants(project, profile, Context(now_ms=now_ms))
    return [(each.experiment.key, each.variant.key) for each in found]


def test_active_variants__no_profile__none() -> None:
    assert active_variants(a_ruled_project(a_personalization()), None, Context()) == []


def test_active_variants__activated__its_variant_until_it_expires() -> None:
    offer = a_personalization(variants=TWO)
    assert served(offer) == []
    popup = in_arm("popup")
    assert served(offer, offer=popup) == [("offer", "popup")]
    assert served(offer, offer=popup, now_ms=NOW_MS + HOUR_MS - 1) == [("offer", "popup")]
    assert served(offer, offer=popup, now_ms=NOW_MS + HOUR_MS) == []


def test_active_variants__several__by_priority_then_key() -> None:
    experiments = [
        a_personalization("low", priority=-1),
        a_personalization("b", priority=5),
        a_personalization("a", priority=5),
        a_personalization("top", priority=9),
    ]
    found = served(*experiments, low=ACTIVE, a=ACTIVE, b=ACTIVE, top=ACTIVE)
    assert [key for key, _ in found] == ["top", "a", "b", "low"]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PAUSED},
        {"schedule": Schedule(start_ms=NOW_MS + 1)},
        {"schedule": Schedule(end_ms=NOW_MS)},
        {"schedule": Schedule(hours=Hours(0, 1))},
        {"audience": Audience(rule={"tier": "pro"})},
        {"unit": Unit.ACCOUNT},
        {"variants": (a_variant("other"),)},
    ],
)
def test_active_variants__not_for_this_subject_now__none(fields: dict[str, Any]) -> None:
    assert served(a_personalization(**fields), offer=ACTIVE) == []


def test_active_variants__control_share__is_not_served() -> None:
    assert served(a_personalization(), offer=in_arm(None)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"audience": Audience(sample_rate_bp=0)},
        {"variants": (a_variant("banner", recipe_sample_rate_bp=0),)},
        {"layer": LayerRange("page", 0, 1)},
    ],
)
def test_active_variants__what_was_drawn_at_the_activation__is_not_drawn_again(
    fields: dict[str, Any],
) -> None:
    offer = a_personalization(**fields)
    project = a_ruled_project(
        offer, layers=(Layer("page", "page"),), holdout=Holdout("h", "h", 10_000)
    )
    profile = Profile(
        id="pro_1",
        project_id=project.project_id,
        subject_id="anna",
        created_at_ms=0,
        last_seen_at_ms=0,
        activations={offer.id: ACTIVE},
    )
    assert len(active_variants(project, profile, Context(now_ms=NOW_MS))) == 1


@pytest.mark.parametrize("arm", ["banner", None, "gone"])
def test_active_variants__everyone_goes_to_one_variant__all_of_the_active_do(
    arm: str | None,
) -> None:
    completed = a_personalization(variants=TWO, status=Status.COMPLETED, rollout="popup")
    diverted = a_personalization(variants=TWO, divert_to="popup")
    for offer in (completed, diverted):
        assert served(offer, offer=in_arm(arm)) == [("offer", "popup")]
        assert served(offer) == []


def in_arm(arm: str | None) -> Activation:
    return Activation(
        experiment_key="offer",
        variant_key=arm,
        at_ms=ACTIVE.at_ms,
        expires_at_ms=ACTIVE.expires_at_ms,
        manifest_version=3,
    )
