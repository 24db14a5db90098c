"""What stays of two profiles that are one."""

import msgspec

from fairlot.profiles import (
    MAX_ATTRIBUTES_BYTES,
    Activation,
    Consent,
    Display,
    KeptAssignment,
    Profile,
    Property,
    Sessions,
    Switch,
    merged,
    subject_identifier,
)
from fairlot.profiles.attributes import attributes_size

DAY_MS = 86_400_000


def profile(name: str, created_at_ms: int, **fields: object) -> Profile:
    return Profile(
        id=f"pro_{name}",
        project_id="prj_1",
        subject_id=name,
        created_at_ms=created_at_ms,
        last_seen_at_ms=created_at_ms,
        identifiers=(subject_identifier(name),),
        **fields,  # type: ignore[arg-type]
    )


def assignment(variant_key: str, **fields: object) -> KeptAssignment:
    return KeptAssignment(
        experiment_key="hero",
        variant_key=variant_key,
        manifest_version=1,
        at_ms=1,
        **fields,  # type: ignore[arg-type]
    )


def activation(variant_key: str | None, at_ms: int, expires_at_ms: int | None) -> Activation:
    return Activation(
        experiment_key="offer",
        variant_key=variant_key,
        at_ms=at_ms,
        expires_at_ms=expires_at_ms,
        manifest_version=1,
    )


def test_merged__whichever_comes_first__keeps_the_older() -> None:
    old, young = profile("phone", 1), profile("laptop", 2, user_id="anna", identified_at_ms=5)
    assert merged(old, young) == merged(young, old)
    kept = merged(young, old).profile
    assert (kept.id, kept.subject_id, kept.user_id) == ("pro_phone", "phone", "anna")
    assert kept.identifiers == (*old.identifiers, *young.identifiers)
    assert kept.last_seen_at_ms == 2


def test_merged__of_one_age__keeps_the_lower_id() -> None:
    assert merged(profile("b", 1), profile("a", 1)).profile.subject_id == "a"


def test_merged__another_variant__is_switched_and_told() -> None:
    old = profile("phone", 1, assignments={"exp_1": assignment("a"), "exp_2": assignment("a")})
    young = profile("laptop", 2, assignments={"exp_1": assignment("b"), "exp_2": assignment("a")})
    result = merged(old, young)
    assert result.switched == (Switch("exp_1", "hero", "b", "a"),)
    assert result.profile.assignments == {
        "exp_1": assignment(
            "a", switched=True, earlier_variant="b", earlier_subject=young.subject_id
        ),
        "exp_2": assignment("a"),
    }


def test_merged__switched_or_excluded_in_one__stays_so() -> None:
    old = profile("phone", 1, assignments={"exp_1": assignment("a")})
    young = profile(
        "laptop", 2, assignments={"exp_1": assignment("a", switched=True, excluded=True)}
    )
    result = merged(old, young)
    assert result.switched == ()
    kept = result.profile.assignments["exp_1"]
    assert kept.switched
    assert kept.excluded


def test_merged__third_device_with_the_variant_of_the_second__is_switched_again() -> None:
    first = profile("a", 1, assignments={"exp_1": assignment("control")})
    second = profile("b", 2, assignments={"exp_1": assignment("red")})
    third = profile("c", 3, assignments={"exp_1": assignment("red")})
    younger_two = merged(third, second)
    assert younger_two.switched == ()
    result = merged(younger_two.profile, first)
    assert result.profile.assignments["exp_1"].variant_key == "control"
    assert [each.from_variant for each in result.switched] == ["red"]


def test_merged__activations__keep_the_older_variant_for_the_longer_time() -> None:
    old = profile("phone", 1, activations={"exp_9": activation(None, 10, 20)})
    young = profile("laptop", 2, activations={"exp_9": activation("sale", 15, None)})
    result = merged(old, young)
    assert result.switched == (Switch("exp_9", "offer", "sale", None),)
    kept = result.profile.activations["exp_9"]
    assert (kept.variant_key, kept.at_ms, kept.expires_at_ms, kept.times) == (None, 15, None, 2)


def test_merged__consents__the_latest_counts_and_no_beats_yes() -> None:
    old = profile("a", 1, consents={"ads": Consent(accepted=True, at_ms=9)})
    young = profile("b", 2, consents={"ads": Consent(accepted=False, at_ms=5)})
    assert merged(old, young).profile.consents["ads"].accepted
    at_once = profile("b", 2, consents={"ads": Consent(accepted=False, at_ms=9)})
    assert not merged(old, at_once).profile.consents["ads"].accepted


def test_merged__what_counts__is_added_up() -> None:
    old = profile(
        "a",
        1,
        displays={"exp_1": Display(count=2, last_at_ms=5, session_id="s1")},
        properties={"size": Property(value="M", at_ms=7, count=2)},
    )
    young = profile(
        "b",
        2,
        displays={"exp_1": Display(count=1, last_at_ms=9, session_id="s2")},
        properties={"size": Property(value="L", at_ms=6)},
    )
    kept = merged(old, young).profile
    assert kept.displays["exp_1"] == Display(count=3, last_at_ms=9, session_id="s2")
    assert kept.properties["size"] == Property(value="M", at_ms=7, count=3)


def test_merged__visits_that_overlap__are_one_visit() -> None:
    old = profile("a", 1, sessions=Sessions(count=1, started_at_ms=0, last_at_ms=60_000))
    during = profile("b", 2, sessions=Sessions(count=1, started_at_ms=61_000, last_at_ms=62_000))
    later = profile("b", 2, sessions=Sessions(count=1, started_at_ms=DAY_MS, last_at_ms=DAY_MS + 1))
    never = profile("b", 2)
    assert merged(old, during).profile.sessions.count == 1
    assert merged(old, later).profile.sessions.count == 2
    assert merged(old, never).profile.sessions.count == 1


def test_merged__attributes__of_the_older_win_and_there_is_room_for_so_many() -> None:
    old = profile("a", 1, attributes={"tier": "pro"})
    young = profile("b", 2, attributes={"tier": "free", "city": "Graz"})
    assert merged(old, young).profile.attributes == {"tier": "pro", "city": "Graz"}
    half = {"long": "x" * (MAX_ATTRIBUTES_BYTES // 2)}
    full = {"long_too": "y" * (MAX_ATTRIBUTES_BYTES // 2), "b": 1}
    kept = merged(
        msgspec.structs.replace(old, attributes=half),
        msgspec.structs.replace(young, attributes=full),
    ).profile.attributes
    assert kept == {**half, "b": 1}
    assert attributes_size(kept) <= MAX_ATTRIBUTES_BYTES
