"""What is in memory, when it is put in late, and how much."""

from fairlot.profiles import Account, Occurrence, Profile, subject_identifier
from fairlot.service.profiles.account_cache import AccountCache
from fairlot.service.profiles.cache import BYTES_KEPT, ProfileCache
from fairlot.store.profiles.rows import StoredProfile

PROJECT = "prj_1"
ASKED = (("view", 1000),)


def stored(name: str, *names: str, size: int = 100, state: int = 0) -> StoredProfile:
    profile = Profile(
        id=f"pro_{name}",
        project_id=PROJECT,
        subject_id=name,
        created_at_ms=0,
        last_seen_at_ms=state,
        identifiers=tuple(subject_identifier(each) for each in (name, *names)),
    )
    return StoredProfile(profile, size)


def found(cache: ProfileCache, name: str) -> Profile | None:
    return cache.find(PROJECT, subject_identifier(name))


def test_read__before_a_write_that_was_evicted_since__is_not_kept() -> None:
    cache = ProfileCache(5, kept=1)
    old, new = stored("a", state=1), stored("a", state=2)
    cache.put_written([new], [], 6)
    cache.put_written([stored("b")], [], 7)
    assert found(cache, "a") is None
    cache.put_read(old, 5)
    assert found(cache, "a") is None
    cache.put_read(new, 7)
    assert found(cache, "a") == new.profile


def test_read__before_a_merge__does_not_bring_back_who_is_gone() -> None:
    cache = ProfileCache(5)
    kept = stored("a", "b")
    cache.put_written([kept], ["pro_b"], 6)
    cache.put_read(stored("b"), 5)
    assert found(cache, "b") == kept.profile


def test_read__older_than_what_was_followed__is_not_kept() -> None:
    cache = ProfileCache(5)
    cache.follow({"pro_a": 8}, 8)
    cache.put_read(stored("a"), 7)
    assert found(cache, "a") is None
    cache.put_read(stored("a"), 8)
    assert found(cache, "a") is not None


def test_write__that_another_process_has_overtaken__is_not_kept() -> None:
    cache = ProfileCache(5)
    cache.put_read(stored("a", state=1), 5)
    cache.follow({}, 9)
    cache.put_written([stored("a", state=2)], [], 7)
    assert found(cache, "a") is None


def test_follow__change_of_another_process__drops_what_is_older_only() -> None:
    cache = ProfileCache(5)
    cache.put_read(stored("a"), 5)
    cache.put_written([stored("b")], [], 7)
    cache.follow({"pro_a": 6, "pro_b": 7}, 7)
    assert found(cache, "a") is None
    assert found(cache, "b") is not None


def test_identifier__taken_by_another__is_the_other_ones_in_any_order() -> None:
    for order in (0, 1):
        cache = ProfileCache(0)
        cache.put_read(stored("a", "device"), 0)
        both = [stored("a"), stored("b", "device")]
        cache.put_written(both[::-1] if order else both, [], 1)
        owner = found(cache, "device")
        assert owner is not None
        assert owner.subject_id == "b"


def test_profiles__larger_than_the_room__push_out_the_longest_unused() -> None:
    cache = ProfileCache(0)
    for name in ("a", "b"):
        cache.put_read(stored(name, size=BYTES_KEPT // 2), 0)
    assert found(cache, "a") is not None
    cache.put_read(stored("c"), 0)
    assert found(cache, "b") is None
    assert found(cache, "a") is not None
    cache.put_read(stored("d", size=BYTES_KEPT + 1), 0)
    assert found(cache, "d") is None
    assert found(cache, "a") is None
    cache.put_read(stored("e"), 0)
    assert found(cache, "e") is not None


def test_history__is_of_one_state_of_the_profile_and_one_question() -> None:
    cache = ProfileCache(0)
    old, new = stored("a", state=1), stored("a", state=2)
    history = {"view": (Occurrence(1, {"url": "/"}),)}
    cache.put_read(old, 0)
    cache.keep_history(old.profile, ASKED, history)
    assert cache.history(old.profile, ASKED) == history
    assert cache.history(old.profile, (("order", 1),)) is None
    cache.put_written([new], [], 1)
    assert cache.history(new.profile, ASKED) is None
    cache.keep_history(old.profile, ASKED, history)
    assert cache.history(new.profile, ASKED) is None


def test_history__too_long__is_not_kept() -> None:
    cache = ProfileCache(0)
    one = stored("a")
    cache.put_read(one, 0)
    cache.keep_history(one.profile, ASKED, {"view": (Occurrence(1, {"x": "y" * (1 << 20)}),)})
    assert cache.history(one.profile, ASKED) is None


def test_clear__leaves_nothing() -> None:
    cache = ProfileCache(0)
    cache.put_read(stored("a"), 0)
    cache.clear()
    assert found(cache, "a") is None


def test_account__read_before_it_was_written__is_not_kept() -> None:
    cache = AccountCache(5, kept=2)
    name = (PROJECT, b"1")
    account = Account(project_id=PROJECT, account_id="acme", attributes={"plan": "pro"})
    cache.put_written({name: account}, 6)
    cache.put_read(name, {}, 5)
    assert cache.find(name) == {"plan": "pro"}
    cache.follow({name: 6}, 6)
    assert cache.find(name) == {"plan": "pro"}
    cache.follow({name: 7}, 7)
    assert cache.find(name) is None
    cache.put_read(name, {"plan": "team"}, 7)
    assert cache.find(name) == {"plan": "team"}
    for each in (b"2", b"3"):
        cache.put_read((PROJECT, each), {}, 7)
    assert cache.find(name) is None
    cache.clear()
    assert cache.find((PROJECT, b"3")) is None
