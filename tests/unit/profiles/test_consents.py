from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlot.profiles import Profile, merged
from fairlot.profiles.consents import (
    FOR_EVER_MS,
    GENERAL,
    MAX_CATEGORIES,
    consented,
    has_room,
    joined_consents,
    rejected_until_ms,
    rejects,
)

NOBODY = Profile(
    id="pro_1", project_id="prj_1", subject_id="ada", created_at_ms=0, last_seen_at_ms=0
)
AT = 1_000
_answers = st.lists(
    st.tuples(st.sampled_from([GENERAL, "marketing", "analytics"]), st.booleans()), max_size=6
)


def said(*answers: tuple[str, bool, int], profile: Profile = NOBODY) -> Profile:
    for category, accepted, at_ms in answers:
        profile = consented(profile, category, accepted, at_ms)
    return profile


def test_consent__nothing_was_said__rejects_nothing() -> None:
    assert not rejects(NOBODY, AT)
    assert rejected_until_ms(NOBODY) == 0


def test_consent__rejected_without_end__is_in_force_for_ever() -> None:
    profile = said((GENERAL, False, AT))

    assert rejects(profile, AT)
    assert rejects(profile, FOR_EVER_MS - 1)


def test_consent__rejected_until_an_instant__is_in_force_until_then() -> None:
    profile = consented(NOBODY, GENERAL, False, AT, AT + 10, "web")

    assert rejects(profile, AT + 9)
    assert not rejects(profile, AT + 10)
    assert profile.consents[GENERAL].source == "web"


def test_consent__rejected_in_one_category__rejects_whatever_it_is_about() -> None:
    assert rejects(said(("marketing", False, AT), ("analytics", True, AT + 1)), AT + 2)


def test_consent__accepted_later__rejects_no_longer() -> None:
    assert not rejects(said((GENERAL, False, AT), (GENERAL, True, AT + 1)), AT + 2)


def test_consent__an_older_answer_comes_later__changes_nothing() -> None:
    newer = said((GENERAL, False, AT))

    assert consented(newer, GENERAL, True, AT - 1) is newer


def test_consent__an_older_answer_of_a_category_comes_after_a_general_one__changes_nothing() -> (
    None
):
    newer = said((GENERAL, True, AT))

    assert consented(newer, "marketing", False, AT - 1) is newer


def test_consent__a_general_answer__takes_the_place_of_all_earlier_ones() -> None:
    profile = said(("marketing", False, AT), ("analytics", False, AT + 2), (GENERAL, True, AT + 1))

    assert set(profile.consents) == {GENERAL, "analytics"}
    assert rejects(profile, AT + 3)


@pytest.mark.parametrize("answers", list(permutations([(GENERAL, True, AT), (GENERAL, False, AT)])))
def test_consent__both_answers_at_once__rejects(answers: list[tuple[str, bool, int]]) -> None:
    assert rejects(said(*answers), AT)


def full(*, accepted: bool) -> Profile:
    """The first category is the oldest, and its rejection ends first."""
    profile = NOBODY
    for number in range(MAX_CATEGORIES):
        valid_until_ms = None if accepted else AT + 1_000 + number
        profile = consented(profile, f"c{number}", accepted, AT + number, valid_until_ms)
    return profile


def test_has_room__of_a_full_profile__is_for_what_takes_the_place_of_another() -> None:
    profile = full(accepted=True)
    assert [has_room(profile, each) for each in ("c0", GENERAL, "new")] == [True, True, False]
    assert has_room(NOBODY, "new")


def test_consent__one_rejection_too_many__takes_the_place_of_what_was_accepted_first() -> None:
    profile = consented(full(accepted=True), "new", False, AT)
    assert profile.consents.keys() == {
        "new",
        *(f"c{number}" for number in range(1, MAX_CATEGORIES)),
    }
    assert rejects(profile, FOR_EVER_MS - 1)


def test_consent__only_rejections_and_one_more__the_one_that_ends_first_goes() -> None:
    known = full(accepted=False)
    assert consented(known, "new", False, AT, AT + 1).consents == known.consents
    profile = consented(known, "new", False, AT, None)
    assert "c0" not in profile.consents
    assert rejected_until_ms(profile) == FOR_EVER_MS


def test_consent__a_general_rejection_and_too_many_others__stays() -> None:
    profile = consented(full(accepted=False), GENERAL, False, AT - 1, AT + 1)
    profile = consented(profile, "new", False, AT)
    assert len(profile.consents) == MAX_CATEGORIES
    assert {GENERAL, "new"} < profile.consents.keys()


def test_joined_consents__of_two_full_profiles__reject_as_long_as_all_would() -> None:
    accepts, rejections = full(accepted=True), full(accepted=False)
    others = {f"other-{name}": given for name, given in rejections.consents.items()}
    joined = joined_consents(accepts.consents, others)
    assert joined == others


@given(_answers, st.randoms())
def test_consent__answers_in_any_order__come_to_the_same(
    answers: list[tuple[str, bool]], random: Random
) -> None:
    at_moments = [(*each, AT + place) for place, each in enumerate(answers)]
    shuffled = random.sample(at_moments, len(at_moments))

    assert said(*shuffled).consents == said(*at_moments).consents


@given(_answers, _answers)
def test_joined_consents__of_two_subjects__are_as_if_one_had_given_them(
    some: list[tuple[str, bool]], others: list[tuple[str, bool]]
) -> None:
    mine = [(*each, AT + 2 * place) for place, each in enumerate(some)]
    theirs = [(*each, AT + 2 * place + 1) for place, each in enumerate(others)]
    both = sorted(mine + theirs, key=lambda each: each[2])

    joined = joined_consents(said(*mine).consents, said(*theirs).consents)

    assert joined == said(*both).consents


def test_merged__the_younger_profile_rejected_later__rejects() -> None:
    older = said((GENERAL, True, AT))
    younger = said(
        (GENERAL, False, AT + 1),
        profile=Profile(
            id="pro_2", project_id="prj_1", subject_id="bo", created_at_ms=9, last_seen_at_ms=0
        ),
    )

    assert rejects(merged(younger, older).profile, AT + 2)
