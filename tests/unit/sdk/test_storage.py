from collections.abc import Mapping
from typing import Any

import pytest

from fairlot import (
    CookieStorage,
    HeaderStorage,
    InMemoryStorage,
    NoopStorage,
    Reason,
    RequestContext,
    StickyStorage,
)
from fairlot.sdk.errors import InvalidOption
from support.sdk_clients import a_request, a_site, all_to, an_experiment, cookies_of, sent_by


class Database:
    """A storage of the user's own, which may fail."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}
        self.written: list[tuple[str, str, str]] = []
        self.fails_to: str | None = None

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        self._check("read")
        return {
            key: variant for (subject, key), variant in self.rows.items() if subject == subject_id
        }

    def write(
        self, context: RequestContext | None, subject_id: str, experiment_key: str, variant_key: str
    ) -> None:
        self._check("write")
        self.written.append((subject_id, experiment_key, variant_key))
        self.rows[subject_id, experiment_key] = variant_key

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        self._check("forget")
        self.rows.pop((subject_id, experiment_key), None)

    def _check(self, what: str) -> None:
        if self.fails_to == what:
            raise ConnectionError("the database is gone")


class BrokenSink:
    def append(self, name: str, value: str) -> None:
        raise RuntimeError("the response has begun")


class Headers:
    """Headers of a framework: a mapping that may hold a name several times."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def append(self, name: str, value: str) -> None:
        self.lines.append((name, value))

    def __setitem__(self, name: str, value: str) -> None:
        self.lines = [line for line in self.lines if line[0] != name]
        self.lines.append((name, value))


def test_cookies__first_decision__set_once_and_read_back_by_the_next_request() -> None:
    with a_site(all_to("bold")) as site:
        request = a_request("session=1")
        first = site.client.treatment("hero", "anna", request)
        again = site.client.treatment("hero", "anna", request)
        assert again is first
        assert first.reason is Reason.BUCKET
        assert sent_by(request) == [
            ("Set-Cookie", "fx.hero=bold; Path=/; Max-Age=31536000; SameSite=Lax; Secure")
        ]
        next_request = a_request("session=1; fx.hero=bold")
        assert site.client.treatment("hero", "anna", next_request).reason is Reason.STICKY
        assert sent_by(next_request) == []


def test_cookies__several_experiments__a_line_each() -> None:
    with a_site(all_to("bold"), all_to("control", "price")) as site:
        request = a_request()
        site.client.treatment("hero", "anna", request)
        site.client.treatment("price", "anna", request)
        assert cookies_of(request) == ["fx.hero=bold", "fx.price=control"]


@pytest.mark.parametrize("value", ["nobody", "%62old", "bo%", '"bold"', "", "BOLD", "b" * 33])
def test_cookies__no_variant_of_the_experiment__drawn_and_overwritten(value: str) -> None:
    with a_site(all_to("bold")) as site:
        request = a_request(f"fx.hero={value}")
        assert site.client.treatment("hero", "anna", request).reason is Reason.BUCKET
        assert cookies_of(request) == ["fx.hero=bold"]


def test_cookies__experiments_that_are_gone__expired_once_and_ten_at_most() -> None:
    gone = "; ".join(f"fx.gone{number}=bold" for number in range(12))
    with a_site(all_to("bold")) as site:
        request = a_request(f"fx.hero=bold; {gone}; other=1; xfx.old=1; fx.Odd=1")
        for _ in range(3):
            site.client.treatment("hero", "anna", request)
        assert sent_by(request) == [
            ("Set-Cookie", f"fx.gone{number}=; Path=/; Max-Age=0; SameSite=Lax; Secure")
            for number in range(10)
        ]


def test_cookies__gone_but_no_manifest_or_no_response__stay() -> None:
    with a_site() as site:
        request = a_request("fx.gone=bold")
        site.client.treatment("hero", "anna", request)
        assert sent_by(request) == []
    with a_site(all_to("bold")) as site:
        request = a_request("fx.gone=bold", response=None)
        assert site.client.treatment("hero", "anna", request).reason is Reason.BUCKET


def test_cookies__subject_cookie_under_the_prefix__stays() -> None:
    with a_site(all_to("bold"), subject_cookie="fx.sid") as site:
        request = a_request("fx.sid=abc; fx.gone=1; fx.hero=bold")
        site.client.treatment("hero", "anna", request)
        assert cookies_of(request) == ["fx.gone="]


def test_cookies__prefix_and_attributes__as_given() -> None:
    storage = CookieStorage(
        "acme.fx.", same_site="strict", http_only=True, domain="acme.example", max_age_s=60
    )
    with a_site(all_to("bold"), storage=storage) as site:
        request = a_request("fx.hero=control")
        site.client.treatment("hero", "anna", request)
        line = "acme.fx.hero=bold; Path=/; Max-Age=60; SameSite=Strict; Secure; HttpOnly"
        assert sent_by(request) == [("Set-Cookie", f"{line}; Domain=acme.example")]


@pytest.mark.parametrize("headers", [{"Cookie": "fx.hero=bold"}, {"COOKIE": "fx.hero=bold"}])
def test_cookies__plain_dict_of_headers__any_spelling(headers: dict[str, str]) -> None:
    with a_site(all_to("control")) as site:
        result = site.client.treatment("hero", "anna", RequestContext(headers))
        assert (result.variant_key, result.reason) == ("bold", Reason.STICKY)


@pytest.mark.parametrize("storage", [CookieStorage(), HeaderStorage()])
@pytest.mark.parametrize(
    ("key", "variant"),
    [
        ("hero", "bold\r\nSet-Cookie: a=b"),
        ("hero", "bold; HttpOnly"),
        ("hero", "bold,price=low"),
        ("hero\r\nx", "bold"),
        ("hero", ""),
        ("", "bold"),
    ],
)
def test_write__what_is_no_key__never_gets_into_a_header(
    storage: StickyStorage, key: str, variant: str
) -> None:
    request = a_request()
    storage.write(request, "anna", key, variant)
    assert sent_by(request) == []


@pytest.mark.parametrize("prefix", ["", "fx;", "fx\r\n", "fx ", "x" * 65, None, 5])
def test_cookies__unusable_prefix__refused(prefix: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^prefix: "):
        CookieStorage(prefix)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", None])
def test_header__unusable_name__refused(name: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^name: "):
        HeaderStorage(name)


def test_header__read_from_the_request_and_written_as_a_whole() -> None:
    with a_site(all_to("bold"), all_to("control", "price"), storage=HeaderStorage()) as site:
        request = a_request(headers={"FX-Assignments": "old=a, hero=control"})
        assert site.client.treatment("hero", "anna", request).reason is Reason.STICKY
        assert sent_by(request) == []
        site.client.treatment("price", "anna", request)
        assert sent_by(request) == [("fx-assignments", "old=a,hero=control,price=control")]


def test_header__several_writes__one_header() -> None:
    for response in (Headers(), None):
        with a_site(all_to("bold"), all_to("control", "price"), storage=HeaderStorage()) as site:
            request = a_request() if response is None else a_request(response=response)
            site.client.treatment("hero", "anna", request)
            site.client.treatment("price", "anna", request)
            lines = sent_by(request) if response is None else response.lines
            assert lines == [("fx-assignments", "hero=bold,price=control")]


def test_header__sink_that_only_appends__each_value_whole() -> None:
    class Appending:
        def __init__(self) -> None:
            self.lines: list[tuple[str, str]] = []

        def append(self, name: str, value: str) -> None:
            self.lines.append((name, value))

    sink, storage = Appending(), HeaderStorage("x-fx")
    request = a_request(response=sink)
    storage.write(request, "anna", "hero", "bold")
    storage.write(request, "anna", "price", "low")
    assert sink.lines == [("x-fx", "hero=bold"), ("x-fx", "hero=bold,price=low")]


def test_in_memory__by_subject__or_as_the_user_attribute_says() -> None:
    storage = InMemoryStorage()
    storage.write(None, "anna", "hero", "bold")
    with a_site(all_to("control"), storage=storage) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.STICKY
        assert site.client.treatment("hero", "bert").reason is Reason.BUCKET
        assert site.client.treatment("hero", "bert").reason is Reason.STICKY
        named = RequestContext(user={"__subjectId__": "anna"})
        assert site.client.treatment("hero", "other", named).variant_key == "bold"
        for useless in ("", 5):
            request = RequestContext(user={"__subjectId__": useless})
            assert site.client.treatment("hero", "anna", request).variant_key == "bold"


def test_in_memory__too_many_subjects__the_first_is_forgotten() -> None:
    storage = InMemoryStorage(2)
    for subject in ("a", "b", "c"):
        storage.write(None, subject, "hero", "bold")
    assert [dict(storage.read(None, subject)) for subject in "abc"] == [
        {},
        {"hero": "bold"},
        {"hero": "bold"},
    ]
    assert len(storage) == 2
    with pytest.raises(InvalidOption, match=r"^most_subjects: 0"):
        InMemoryStorage(0)


def test_noop__remembers_nothing() -> None:
    storage = NoopStorage()
    storage.write(None, "anna", "hero", "bold")
    storage.forget(None, "anna", "hero")
    assert dict(storage.read(None, "anna")) == {}


def test_own_storage__new_subject__written_once_and_remembered() -> None:
    database = Database()
    with a_site(all_to("bold"), storage=database) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET
        assert site.client.treatment("hero", "anna").reason is Reason.STICKY
        assert site.client.treatment("hero", "anna", a_request()).reason is Reason.STICKY
        assert database.written == [("anna", "hero", "bold")]


def test_own_storage__variant_that_is_gone__overwritten() -> None:
    database = Database()
    database.rows["anna", "hero"] = "removed"
    with a_site(all_to("bold"), storage=database) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET
        assert database.rows["anna", "hero"] == "bold"


def test_own_storage__cannot_be_read__drawn_and_not_overwritten() -> None:
    database = Database()
    database.rows["anna", "hero"] = "control"
    database.fails_to = "read"
    with a_site(all_to("bold"), storage=database) as site:
        result = site.client.exposure("hero", "anna")
        assert (result.variant_key, result.reason) == ("bold", Reason.BUCKET)
        assert database.written == []
        assert site.faults == {"storage": 1}
        assert len(site.sink.exposures) == 1


def test_own_storage__cannot_be_written__decided_all_the_same() -> None:
    database = Database()
    database.fails_to = "write"
    with a_site(all_to("bold"), storage=database) as site:
        request = a_request()
        first = site.client.treatment("hero", "anna", request)
        assert site.client.treatment("hero", "anna", request) is first
        assert site.faults == {"storage": 1}


@pytest.mark.parametrize("found", [5, ["bold"], b"bold"])
def test_own_storage__gives_what_is_no_text__as_if_nothing(found: Any) -> None:
    database = Database()
    database.rows["anna", "hero"] = found
    with a_site(all_to("bold"), storage=database) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET


def test_response__sink_that_raises__counted_and_the_memory_still_read() -> None:
    with a_site(all_to("bold")) as site:
        request = a_request("fx.gone=1; fx.hero=control", response=BrokenSink())
        assert site.client.treatment("hero", "anna", request).reason is Reason.STICKY
        drawn = a_request(response=BrokenSink())
        assert site.client.exposure("hero", "anna", drawn).reason is Reason.BUCKET
        assert site.faults == {"storage": 2}
        assert len(site.sink.exposures) == 1


def test_headers__source_that_raises__drawn_and_nothing_written() -> None:
    class Broken:
        def get(self, name: str) -> str | None:
            raise RuntimeError("no headers any more")

    with a_site(all_to("bold")) as site:
        request = a_request(headers=Broken())
        assert site.client.treatment("hero", "anna", request).reason is Reason.BUCKET
        assert cookies_of(request) == []
        assert set(site.faults) == {"storage"}


def test_own_cookies__subclass__its_methods_are_used() -> None:
    class Renamed(CookieStorage):
        def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
            return {"hero": "control"}

    with a_site(all_to("bold"), storage=Renamed()) as site:
        request = a_request("fx.gone=1")
        assert site.client.treatment("hero", "anna", request).variant_key == "control"
        assert cookies_of(request) == ["fx.gone="]


def test_identify__keep__the_variant_follows_the_user() -> None:
    for on_login in ("keep", "exclude"):
        database = Database()
        database.rows["anon", "hero"] = "bold"
        with a_site(all_to("control", on_login=on_login), storage=database) as site:
            site.client.identify("anon", "user-1")
            assert database.rows == {("anon", "hero"): "bold", ("user-1", "hero"): "bold"}
            assert site.client.treatment("hero", "user-1").variant_key == "bold"


def test_identify__switch__the_user_is_drawn_anew() -> None:
    with a_site(all_to("control", on_login="switch")) as site:
        request = a_request("fx.hero=bold")
        assert site.client.treatment("hero", "anon", request).variant_key == "bold"
        site.client.identify("anon", "user-1", request)
        assert site.client.treatment("hero", "user-1", request).variant_key == "control"
        assert cookies_of(request) == ["fx.hero=control"]


def test_identify__keep_with_cookies__nothing_is_written() -> None:
    with a_site(all_to("control")) as site:
        request = a_request("fx.hero=bold")
        site.client.identify("anon", "user-1", request)
        assert site.client.treatment("hero", "user-1", request).reason is Reason.STICKY
        assert cookies_of(request) == []


def test_identify__drawn_in_this_request__kept_for_the_user() -> None:
    with a_site(an_experiment()) as site:
        for number in range(20):
            request = a_request()
            anonymous = site.client.treatment("hero", f"anon-{number}", request)
            site.client.identify(f"anon-{number}", f"user-{number}", request)
            user = site.client.treatment("hero", f"user-{number}", request)
            assert (user.variant_key, user.reason) == (anonymous.variant_key, Reason.STICKY)


def test_identify__storage_fails__recorded_all_the_same() -> None:
    database = Database()
    database.rows["anon", "hero"] = "bold"
    database.fails_to = "write"
    with a_site(all_to("control"), storage=database) as site:
        site.client.identify("anon", "user-1")
        assert site.faults == {"storage": 1}
        assert [each.user_id for each in site.sink.identities] == ["user-1"]
