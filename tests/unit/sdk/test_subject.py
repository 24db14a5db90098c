import uuid
from typing import Any

import pytest

from fairlot import CookieStorage, RequestContext, get_or_create_subject_id
from fairlot.sdk.codec import CookieAttributes
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.subject import SubjectCookie
from support.sdk_clients import a_request, a_site, an_experiment, cookies_of, sent_by


def test_subject_id__first_visit__made_and_set_once() -> None:
    request = a_request()
    made = get_or_create_subject_id(request)
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 4
    assert get_or_create_subject_id(request) == made
    assert sent_by(request) == [
        ("Set-Cookie", f"fx_sid={made}; Path=/; Max-Age=31536000; SameSite=Lax; Secure")
    ]


def test_subject_id__cookie_there__used_and_not_set_again() -> None:
    request = a_request("a=b; fx_sid=6f1c5d0e-8a7b-4e7e-9d43-0b6f2f4b8f11")
    assert get_or_create_subject_id(request) == "6f1c5d0e-8a7b-4e7e-9d43-0b6f2f4b8f11"
    assert sent_by(request) == []


def test_subject_id__no_consent__kept_for_the_request_and_not_set() -> None:
    request = a_request()
    made = get_or_create_subject_id(request, consent=False)
    assert get_or_create_subject_id(request, consent=False) == made
    assert sent_by(request) == []
    assert get_or_create_subject_id(request, consent=True) == made
    assert cookies_of(request) == [f"fx_sid={made}"]


def test_subject_id__no_consent_but_a_cookie__the_cookie() -> None:
    assert get_or_create_subject_id(a_request("fx_sid=abc"), consent=False) == "abc"


@pytest.mark.parametrize(
    "value", ["", "a b", "a,b", 'a"b', "a\\b", "é", "x" * 401, "\x7f", "a\r\nb"]
)
def test_subject_id__value_of_no_use__replaced(value: str) -> None:
    request = a_request(f"fx_sid={value}")
    made = get_or_create_subject_id(request)
    assert uuid.UUID(made).version == 4
    assert cookies_of(request) == [f"fx_sid={made}"]


@pytest.mark.parametrize("value", ["17", "x" * 400, "a%20b", "user@example.com", "a=b", "~!"])
def test_subject_id__any_visible_ascii__used_as_it_is(value: str) -> None:
    assert get_or_create_subject_id(a_request(f"fx_sid={value}")) == value


def test_subject_id__cookie_of_the_site__never_overwritten() -> None:
    request = a_request("session=not useful")
    assert uuid.UUID(get_or_create_subject_id(request, cookie="session")).version == 4
    assert sent_by(request) == []
    assert get_or_create_subject_id(a_request("session=s-17"), cookie="session") == "s-17"
    fresh = a_request()
    made = get_or_create_subject_id(fresh, cookie="session")
    assert cookies_of(fresh) == [f"session={made}"]


def test_subject_id__two_cookies_in_a_request__an_id_each() -> None:
    request = a_request()
    ids = {get_or_create_subject_id(request, cookie=name) for name in ("a", "b", "a")}
    assert len(ids) == 2


def test_subject_id__client__its_cookie_and_the_attributes_of_its_storage() -> None:
    storage = CookieStorage(secure=False, domain="shop.example")
    with a_site(an_experiment(), storage=storage, subject_cookie="visitor") as site:
        request = a_request()
        made = get_or_create_subject_id(request, client=site.client)
        expected = f"visitor={made}; Path=/; Max-Age=31536000; SameSite=Lax; Domain=shop.example"
        assert sent_by(request) == [("Set-Cookie", expected)]
        other = a_request()
        attributes = CookieAttributes(max_age_s=60)
        get_or_create_subject_id(other, client=site.client, cookie="sid", attributes=attributes)
        assert "Max-Age=60; SameSite=Lax; Secure" in sent_by(other)[0][1]


def test_subject_id__client_that_excludes__not_set() -> None:
    with a_site(an_experiment(), excluded=lambda _context: 1 / 0 > 0) as site:
        request = a_request()
        assert get_or_create_subject_id(request, client=site.client)
        assert sent_by(request) == []


def test_subject_id__headers_or_response_that_raise__an_id_all_the_same() -> None:
    class Broken:
        def get(self, name: str) -> str | None:
            raise RuntimeError

        def append(self, name: str, value: str) -> None:
            raise RuntimeError

    with a_site(an_experiment()) as site:
        for request in (a_request(headers=Broken()), a_request(response=Broken())):
            assert get_or_create_subject_id(request)
            assert get_or_create_subject_id(request, client=site.client)
        assert site.faults == {"subject_id": 2}


def test_subject_id__no_response__an_id_of_this_request() -> None:
    request = RequestContext()
    assert get_or_create_subject_id(request) == get_or_create_subject_id(request)


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a\r\nb", "a=b", 5])
def test_subject_cookie__unusable_name__refused(name: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^subject_cookie: "):
        SubjectCookie(name)


def test_subject_cookie__prefix_that_browsers_check__refused_without_its_attributes() -> None:
    with pytest.raises(InvalidOption, match=r"__Host- needs secure=True and no domain"):
        SubjectCookie("__Host-sid", CookieAttributes(domain="a.example"))
