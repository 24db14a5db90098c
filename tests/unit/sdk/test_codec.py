"""The bytes themselves are conformance vectors; here is what they cannot say."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fairlot.sdk.codec import (
    LONGEST_HEADER,
    CookieAttributes,
    _sticky_cookies,
    read_cookie,
    read_items,
    sticky_cookies_reader,
    vanished,
    write_items,
)
from fairlot.sdk.errors import InvalidOption

PIECES = [
    "fx.",
    "hero",
    "bold",
    "=",
    ";",
    "; ",
    " ",
    "\t",
    "a",
    "%",
    '"',
    "A",
    ",",
    "xfx.",
    "\n",
    "é",
]


def split_slowly(header: str) -> list[tuple[str, str]]:
    """Section S2 of the rules, word by word."""
    parts = (part.partition("=") for part in header.split(";"))
    return [(name.strip(" \t"), value.strip(" \t")) for name, equals, value in parts if equals]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("fx.hero=bold")
@example("a=b; fx.hero=bold; fx.hero=control")
@example("xfx.hero=bold; fx.hero=control")
@example("a=fx.hero=bold; fx.hero=control;")
@example("fx.hero; fx.hero=bold")
@example(" fx.hero = bold ;fx.a=\tb")
@example("a=b; fx.hero=bold\n")
def test_cookies__any_header__read_as_by_the_rules(header: str) -> None:
    cookies = split_slowly(header)
    read = sticky_cookies_reader("fx.")(header)
    slowly = _sticky_cookies(header, "fx.")
    assert read == slowly
    assert list(read.present) == list(slowly.present)
    assert list(read.present) == list(
        dict.fromkeys(name[3:] for name, _ in cookies if name.startswith("fx."))
    )
    for key in ("hero", "a", "bold"):
        values = [value for name, value in cookies if name == f"fx.{key}"]
        assert read_cookie(header, f"fx.{key}") == (values[0] if values else None)


@pytest.mark.parametrize(
    ("header", "variant"),
    [
        ("fx.hero=bold", "bold"),
        ("a=b; fx.hero=bold; c=d", "bold"),
        ("fx.hero=bold; fx.hero=control", "bold"),
        ("fx.hero=%62old; fx.hero=control", None),
        ("fx.hero=bo%", None),
        ("fx.hero=bold%", None),
        ('fx.hero="bold"', None),
        ("fx.hero=", None),
        ("fx.hero", None),
        ("fx.her", None),
        ("xfx.hero=bold", None),
        ("note=fx.hero=bold", None),
        ("note=a fx.hero=bold", None),
        ("fx.hero2=bold", None),
        ("FX.hero=bold", None),
        ("fx.hero=bold\r\nSet-Cookie: a=b", None),
    ],
)
def test_cookies__value_or_place_of_no_use__as_if_absent(header: str, variant: str | None) -> None:
    assert sticky_cookies_reader("fx.")(header).get("hero") == variant


def test_cookies__two_hundred__each_found() -> None:
    header = "; ".join(f"fx.e{number}=v{number}" for number in range(200))
    found = sticky_cookies_reader("fx.")(header)
    assert found == {f"e{number}": f"v{number}" for number in range(200)}


@pytest.mark.parametrize(
    "filler", ["fx.", "fx.a;", "; fx.", ";", "=", " ", "fx.hero ", "; fx.a=b", "\t", "; fx.%=b"]
)
def test_cookies__sixty_four_kilobytes__read_to_the_end(filler: str) -> None:
    header = filler * (65_536 // len(filler)) + "; fx.hero=bold"
    assert sticky_cookies_reader("fx.")(header)["hero"] == "bold"
    assert read_cookie(header, "fx.hero") == "bold"


def test_vanished__more_than_ten__the_first_ten() -> None:
    present = [f"e{number}" for number in range(30)]
    assert vanished(present, {"e1", "e3"}, "e0") == [f"e{number}" for number in (2, *range(4, 13))]


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_-]{0,63}", fullmatch=True),
        st.from_regex(r"[a-z0-9_-]{1,32}", fullmatch=True),
        max_size=100,
    )
)
def test_items__written_and_read__the_same_or_the_newest(items: dict[str, str]) -> None:
    changed = next(iter(items), None)
    written = write_items(items, changed)
    assert len(written) <= LONGEST_HEADER
    read = read_items(written)
    assert read.items() <= items.items()
    assert changed is None or changed in read
    if len(read) < len(items):
        kept = [key for key in items if key != changed]
        assert [key for key in read if key != changed] == kept[len(items) - len(read) :]


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"max_age_s": 0}, "max_age_s"),
        ({"max_age_s": True}, "max_age_s"),
        ({"max_age_s": 1.5}, "max_age_s"),
        ({"same_site": "Lax; HttpOnly"}, "same_site"),
        ({"same_site": ["lax"]}, "same_site"),
        ({"same_site": "none", "secure": False}, "secure"),
        ({"partitioned": True, "secure": False}, "secure"),
        ({"domain": "a.com; HttpOnly"}, "domain"),
        ({"domain": "a.com\r\nX: y"}, "domain"),
        ({"domain": 5}, "domain"),
        ({"secure": "no"}, "secure"),
        ({"http_only": None}, "http_only"),
    ],
)
def test_attributes__what_a_browser_would_drop__refused(
    fields: dict[str, Any], option: str
) -> None:
    with pytest.raises(InvalidOption, match=f"^{option}: "):
        CookieAttributes(**fields)
