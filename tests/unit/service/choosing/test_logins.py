"""A subject is anonymous, then identified; a second device is merged in."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from fairlot.events import Exposure
from support.choosing import ChooseBench, choose_bench
from support.serving import an_experiment

EXPERIMENTS = tuple(
    an_experiment(policy, on_login=policy, salt="even") for policy in ("keep", "switch", "exclude")
)


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, *EXPERIMENTS, database_url=database_url) as made:
        yield made


def device(name: str) -> dict[str, str]:
    return {"sourceId": "web", "profileId": name}


def login(name: str, user_id: str) -> dict[str, str]:
    return {**device(name), "userId": user_id}


def exposed(bench: ChooseBench, who: dict[str, str] | str, policy: str) -> Exposure:
    """The exposure that asking makes."""
    before = len(bench.exposures())
    bench.choose(who, names=[policy])
    (made,) = bench.exposures()[before:]
    bench.pass_time(1000)
    return made


def drawn(bench: ChooseBench, variant: str) -> str:
    """An id that draws the variant; all experiments here draw alike."""
    for number in count():
        name = f"{variant}-{number}"
        answer = bench.desk.assign("keep", name, track_impression=False)
        if answer.json["variant_key"] == variant:
            return name
    raise AssertionError


def test_keep__login__the_variant_does_not_change(bench: ChooseBench) -> None:
    visitor, user = drawn(bench, "control"), drawn(bench, "bold")
    asked: list[dict[str, str] | str] = [
        device(visitor),
        login(visitor, user),
        device(visitor),
        user,
    ]
    exposures = [exposed(bench, who, "keep") for who in asked]
    assert [each.variant_key for each in exposures] == ["control"] * 4
    assert {each.unit_id for each in exposures} == {visitor}
    assert [each.properties for each in exposures] == [None] * 4
    (identity,) = bench.identities()
    assert (identity.subject_id, identity.user_id) == (visitor, user)


def test_keep__second_device_with_another_variant__the_older_wins_and_it_is_marked(
    bench: ChooseBench,
) -> None:
    phone, laptop = drawn(bench, "control"), drawn(bench, "bold")
    exposed(bench, device(phone), "keep")
    exposed(bench, login(phone, "anna"), "keep")
    assert exposed(bench, device(laptop), "keep").variant_key == "bold"
    merged = exposed(bench, login(laptop, "anna"), "keep")
    assert (merged.variant_key, merged.subject_id) == ("control", phone)
    assert merged.properties == {"fairlot.switched": True}
    for who in (device(laptop), device(phone), "anna"):
        again = exposed(bench, who, "keep")
        assert (again.variant_key, again.properties) == ("control", {"fairlot.switched": True})
    profile = bench.profile("anna")
    assert profile is not None
    assert profile.assignments["exp_keep"].switched
    switches = [each.properties for each in bench.identities() if each.properties]
    assert switches == [
        {
            "fairlot.merged": True,
            "switched": [
                {
                    "experiment_id": "exp_keep",
                    "experiment_key": "keep",
                    "from": "bold",
                    "to": "control",
                }
            ],
        }
    ]


def test_keep__second_device_with_the_same_variant__nobody_is_marked(bench: ChooseBench) -> None:
    phone, user = drawn(bench, "control"), drawn(bench, "bold")
    exposed(bench, login(phone, user), "keep")
    laptop = f"{phone}-too"
    bench.choose(device(laptop), names=[])
    assert exposed(bench, login(laptop, user), "keep").properties is None


def test_switch__login__is_drawn_by_the_user_id_and_marked_where_it_differs(
    bench: ChooseBench,
) -> None:
    visitor, user = drawn(bench, "control"), drawn(bench, "bold")
    before = exposed(bench, device(visitor), "switch")
    assert (before.variant_key, before.unit_id) == ("control", visitor)
    after = exposed(bench, login(visitor, user), "switch")
    assert (after.variant_key, after.unit_id, after.subject_id) == ("bold", user, visitor)
    assert after.properties == {"fairlot.switched": True}
    again = exposed(bench, device(visitor), "switch")
    assert (again.variant_key, again.reason) == ("bold", "sticky")
    assert again.properties == {"fairlot.switched": True}


def test_switch__login_that_draws_the_same__nobody_is_marked(bench: ChooseBench) -> None:
    visitor = drawn(bench, "control")
    exposed(bench, device(visitor), "switch")
    user = next(
        name
        for number in count()
        if bench.desk.assign("keep", name := f"user-{number}", track_impression=False).json[
            "variant_key"
        ]
        == "control"
    )
    after = exposed(bench, login(visitor, user), "switch")
    assert (after.variant_key, after.unit_id, after.properties) == ("control", user, None)


def test_switch__every_device_of_a_user__gets_the_variant_of_the_user(bench: ChooseBench) -> None:
    user = drawn(bench, "bold")
    for name in ("control", "bold"):
        visitor = drawn(bench, name)
        exposed(bench, device(visitor), "switch")
        assert exposed(bench, login(visitor, user), "switch").variant_key == "bold"


def test_exclude__login__keeps_the_variant_and_leaves_the_analysis(bench: ChooseBench) -> None:
    visitor, user = drawn(bench, "control"), drawn(bench, "bold")
    assert exposed(bench, device(visitor), "exclude").properties is None
    for who in (login(visitor, user), device(visitor), user):
        after = exposed(bench, who, "exclude")
        assert (after.variant_key, after.unit_id) == ("control", visitor)
        assert after.properties == {"fairlot.excluded": True}
    profile = bench.profile(visitor)
    assert profile is not None
    assert profile.assignments["exp_exclude"].excluded


def test_exclude__logged_in_from_the_start__stays_in_the_analysis(bench: ChooseBench) -> None:
    visitor, user = drawn(bench, "control"), drawn(bench, "bold")
    for who in (login(visitor, user), device(visitor), user):
        assert exposed(bench, who, "exclude").properties is None


def test_second_user_on_a_device__has_a_draw_of_its_own(bench: ChooseBench) -> None:
    visitor, other = drawn(bench, "control"), drawn(bench, "bold")
    exposed(bench, login(visitor, "anna"), "keep")
    theirs = exposed(bench, login(visitor, other), "keep")
    assert (theirs.subject_id, theirs.variant_key) == (other, "bold")
    assert exposed(bench, "anna", "keep").variant_key == "control"


def test_login__under_the_privacy_control__is_marked_and_links_all_the_same(
    bench: ChooseBench,
) -> None:
    phone, laptop = drawn(bench, "control"), drawn(bench, "bold")
    exposed(bench, login(phone, "anna"), "keep")
    exposed(bench, device(laptop), "keep")
    answer = bench.ask({"Sec-GPC": "1"}, identification=login(laptop, "anna"), names=["keep"])
    assert answer.status == 200
    plain, merge = bench.identities()
    assert (plain.user_id, plain.properties) == ("anna", None)
    assert (merge.subject_id, merge.user_id) == (laptop, phone)
    assert merge.properties is not None
    assert merge.properties["gpc"] is merge.properties["fairlot.merged"] is True
