from fairlot.sdk.repeats import GENERATION, KEPT_S, Repeats, repeat_key
from support.event_server import a_conversion, an_exposure


def key_of(subject_id: str) -> tuple[str, str, str, str | None]:
    key = repeat_key(an_exposure(subject_id))
    assert key is not None
    return key


def test_repeat_key__exposures__differ_by_what_was_shown_to_whom() -> None:
    shown = an_exposure("s1")
    assert repeat_key(shown) == repeat_key(an_exposure("s1", manifest_version=9))
    for other in (
        an_exposure("s2"),
        an_exposure("s1", variant_key="control"),
        an_exposure("s1", experiment_key="price"),
        an_exposure("s1", tenant_id="t1"),
    ):
        assert repeat_key(other) != repeat_key(shown)


def test_repeat_key__conversion_or_failure__always_counts() -> None:
    assert repeat_key(a_conversion()) is None
    assert repeat_key(an_exposure(failure="no template")) is None


def test_repeats__seen_within_a_day__is_repeated() -> None:
    repeats = Repeats()
    assert not repeats.is_repeated(key_of("s1"), 0.0)
    assert repeats.is_repeated(key_of("s1"), KEPT_S - 1)


def test_repeats__seen_a_day_ago__is_new_for_another_day() -> None:
    repeats = Repeats()
    repeats.is_repeated(key_of("s1"), 0.0)
    assert not repeats.is_repeated(key_of("s1"), KEPT_S)
    assert repeats.is_repeated(key_of("s1"), KEPT_S + 1)


def test_repeats__forgotten__is_new() -> None:
    repeats = Repeats()
    repeats.is_repeated(key_of("s1"), 0.0)
    repeats.forget(key_of("s1"))
    assert not repeats.is_repeated(key_of("s1"), 1.0)


def test_repeats__many_subjects__keeps_the_latest_generations_only() -> None:
    repeats = Repeats()
    keys = [("hero", f"s{number}", "bold", None) for number in range(3 * GENERATION)]
    for key in keys:
        assert not repeats.is_repeated(key, 0.0)
    assert len(repeats) == 2 * GENERATION
    assert repeats.is_repeated(keys[GENERATION], 0.0)  # found in the old generation
    assert repeats.is_repeated(keys[-1], 0.0)
    assert not repeats.is_repeated(keys[0], 0.0)


def test_repeats__forgotten_in_the_old_generation__is_new() -> None:
    repeats = Repeats()
    for number in range(GENERATION + 1):
        repeats.is_repeated(("hero", f"s{number}", "bold", None), 0.0)
    repeats.forget(("hero", "s0", "bold", None))
    assert not repeats.is_repeated(("hero", "s0", "bold", None), 0.0)
