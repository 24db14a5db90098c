"""Two profiles with activations turn out to be one subject."""

from typing import Any

from fairlot.profiles import Activation, KeptAssignment, Profile, merged


def a_profile(created_at_ms: int, **fields: Any) -> Profile:
    return Profile(
        id=f"pro_{created_at_ms}",
        project_id="prj_1",
        subject_id=f"s{created_at_ms}",
        created_at_ms=created_at_ms,
        last_seen_at_ms=created_at_ms,
        **fields,
    )


def an_activation(arm: str | None, at_ms: int, times: int) -> Activation:
    return Activation(
        experiment_key="offer",
        variant_key=arm,
        at_ms=at_ms,
        expires_at_ms=at_ms + 10,
        manifest_version=1,
        times=times,
    )


def test_merge__both_were_activated__the_latest_in_the_arm_of_the_older() -> None:
    older = a_profile(1, activations={"exp_offer": an_activation("banner", 100, 2)})
    younger = a_profile(2, activations={"exp_offer": an_activation(None, 200, 1)})
    result = merged(younger, older)
    assert result.profile.activations == {"exp_offer": an_activation("banner", 200, 3)}
    assert [each.experiment_id for each in result.switched] == ["exp_offer"]


def test_merge__same_arm_or_one_alone__nothing_has_switched() -> None:
    one = an_activation("banner", 100, 1)
    older = a_profile(1, activations={"exp_offer": one})
    assert merged(older, a_profile(2)).switched == ()
    assert merged(a_profile(0), older).profile.activations == {"exp_offer": one}
    assert merged(older, a_profile(2, activations={"exp_offer": one})).switched == ()


def test_merge__another_variant_and_another_arm__both_have_switched() -> None:
    def kept(variant_key: str) -> KeptAssignment:
        return KeptAssignment(
            experiment_key="hero", variant_key=variant_key, manifest_version=1, at_ms=1
        )

    older = a_profile(
        1,
        assignments={"exp_hero": kept("a")},
        activations={"exp_offer": an_activation("banner", 1, 1)},
    )
    younger = a_profile(
        2,
        assignments={"exp_hero": kept("b")},
        activations={"exp_offer": an_activation(None, 1, 1)},
    )
    result = merged(older, younger)
    assert [each.experiment_id for each in result.switched] == ["exp_hero", "exp_offer"]
    assert result.profile.assignments["exp_hero"].switched
