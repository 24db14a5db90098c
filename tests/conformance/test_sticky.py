"""The conformance vectors of sticky bytes against the SDK's storages and its subject cookie."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fairlot.sdk.codec import CookieAttributes
from fairlot.sdk.context import RequestContext, ResponseHeaders
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.storage import CookieStorage, HeaderStorage, StickyStorage
from fairlot.sdk.subject import SubjectCookie

from .loader import disagreements, file_params, kinds_in

AREA = "sticky"
FILES = file_params(AREA)
SUBJECT = "someone"
HEADER = "x-fx-sticky"
SPELLED = {"maxAgeS": "max_age_s", "sameSite": "same_site", "httpOnly": "http_only"}
Case = Mapping[str, Any]


def context_of(case: Case) -> RequestContext:
    """Of a request whose lines of one name were joined, as whoever speaks HTTP does it."""
    headers = {}
    if case.get("cookies"):
        headers["cookie"] = "; ".join(case["cookies"])
    if case.get("headers"):
        headers[HEADER] = ", ".join(case["headers"])
    return RequestContext(headers, response=ResponseHeaders())


def options_of(case: Case) -> dict[str, Any]:
    return {SPELLED.get(name, name): value for name, value in case.get("options", {}).items()}


def lines_of(context: RequestContext, name: str) -> list[str]:
    assert isinstance(context.response, ResponseHeaders)
    return [value for header, value in context.response if header.lower() == name]


def write_all(storage: StickyStorage, case: Case) -> RequestContext:
    context = context_of(case)
    for write in case["writes"]:
        storage.write(context, SUBJECT, write["experiment"], write["variant"])
    return context


def check_cookie_read(case: Case) -> None:
    storage = CookieStorage(case.get("prefix", "fx."))
    found = storage.read(context_of(case), SUBJECT)
    assert found.get(case["experiment"]) == case["expected"]


def check_cookie_write(case: Case) -> None:
    if case.get("refused"):
        with pytest.raises(InvalidOption):
            CookieStorage(**options_of(case))
        return
    context = write_all(CookieStorage(**options_of(case)), case)
    assert lines_of(context, "set-cookie") == case["expected"]


def check_cookie_expire(case: Case) -> None:
    context = context_of(case)
    known, kept = dict.fromkeys(case["known"]), case.get("subjectCookie", "fx_sid")
    CookieStorage(**options_of(case)).expire_vanished(context, known, kept)
    assert lines_of(context, "set-cookie") == case["expected"]


def check_header_read(case: Case) -> None:
    found = HeaderStorage(HEADER).read(context_of(case), SUBJECT)
    assert found.get(case["experiment"]) == case["expected"]


def check_header_write(case: Case) -> None:
    written = lines_of(write_all(HeaderStorage(HEADER), case), HEADER)
    assert written == ([] if case["expected"] is None else [case["expected"]])


def check_subject_read(case: Case) -> None:
    cookie = SubjectCookie(case.get("cookie", "fx_sid"))
    assert cookie.read(context_of(case)) == case["expected"]


def check_subject_write(case: Case) -> None:
    options = {name: value for name, value in options_of(case).items() if name != "prefix"}
    cookie = SubjectCookie(case.get("cookie", "fx_sid"), CookieAttributes(**options))
    context = context_of(case)
    made = cookie.read_or_make(context, may_set=True)
    expected = case["expected"].replace(case["subject"], made)
    assert lines_of(context, "set-cookie") == [expected]


CHECKS: dict[str, Callable[[Case], None]] = {
    "cookie_read": check_cookie_read,
    "cookie_write": check_cookie_write,
    "cookie_expire": check_cookie_expire,
    "header_read": check_header_read,
    "header_write": check_header_write,
    "subject_read": check_subject_read,
    "subject_write": check_subject_write,
}


@pytest.mark.parametrize("entry", FILES)
def test_sticky__file_of_vectors__agrees(entry: Mapping[str, Any]) -> None:
    assert disagreements(entry, CHECKS) == {}


def test_sticky__kinds_of_vectors__have_a_check_each() -> None:
    assert kinds_in(AREA) == set(CHECKS)
