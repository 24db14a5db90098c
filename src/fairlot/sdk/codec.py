"""The bytes in which assignments travel: a cookie for each experiment, or one header for all.

Section S of `conformance/RULES.md`. A blank is a space or a tab and nothing else.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

from fairlot.engine.checks import EXPERIMENT_KEY, VARIANT_KEY
from fairlot.sdk.errors import InvalidOption

MOST_EXPIRED: Final = 10
LONGEST_HEADER: Final = 4096
YEAR_S: Final = 31_536_000

_BLANKS: Final = " \t"
_SAME_SITE: Final = {"lax": "Lax", "strict": "Strict", "none": "None"}
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DOMAIN: Final = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def is_token(text: object) -> bool:
    """Whether `text` can name a header or a cookie (RFC 9110 section 5.6.2)."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class CookieAttributes:
    """What stands behind a cookie's value. Raises InvalidOption for what a browser would drop."""

    max_age_s: int = YEAR_S
    same_site: str = "lax"
    secure: bool = True
    http_only: bool = False
    domain: str | None = None
    partitioned: bool = False

    def __post_init__(self) -> None:
        if type(self.max_age_s) is not int or self.max_age_s < 1:
            raise InvalidOption("max_age_s", self.max_age_s, "give whole seconds, 1 or more")
        if not isinstance(self.same_site, str) or self.same_site not in _SAME_SITE:
            raise InvalidOption("same_site", self.same_site, "one of lax, strict, none")
        for option in ("secure", "http_only", "partitioned"):
            if not isinstance(getattr(self, option), bool):
                raise InvalidOption(option, getattr(self, option), "give True or False")
        if self.domain is not None and not (
            isinstance(self.domain, str) and _DOMAIN.fullmatch(self.domain)
        ):
            raise InvalidOption("domain", self.domain, "give a host name, as in example.com")
        if not self.secure and (self.partitioned or self.same_site == "none"):
            asks = "partitioned" if self.partitioned else "same_site none"
            raise InvalidOption("secure", self.secure, f"{asks} needs secure=True")

    def check_name(self, option: str, name: str) -> None:
        """Raises InvalidOption when browsers refuse a cookie called so with these attributes."""
        folded = name.lower()
        if folded.startswith("__host-") and (not self.secure or self.domain is not None):
            raise InvalidOption(option, name, "__Host- needs secure=True and no domain")
        if folded.startswith("__secure-") and not self.secure:
            raise InvalidOption(option, name, "__Secure- needs secure=True")

    def line(self, name: str, value: str) -> str:
        """The value of a `Set-Cookie` header."""
        return self._line(name, value, self.max_age_s)

    def expiry(self, name: str) -> str:
        """The `Set-Cookie` value that removes what `line` has set."""
        return self._line(name, "", 0)

    def _line(self, name: str, value: str, max_age_s: int) -> str:
        return (
            f"{name}={value}; Path=/; Max-Age={max_age_s}; SameSite={_SAME_SITE[self.same_site]}"
            + "; Secure" * self.secure
            + "; HttpOnly" * self.http_only
            + (f"; Domain={self.domain}" if self.domain else "")
            + "; Partitioned" * self.partitioned
        )


def check_prefix(prefix: object, attributes: CookieAttributes) -> None:
    if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        raise InvalidOption("prefix", prefix, "use 1 to 64 of A-Z a-z 0-9 . _ -")
    attributes.check_name("prefix", prefix)


def read_cookie(header: str, name: str) -> str | None:
    """The value of the first cookie `name` of a Cookie header: a search, not a parse."""
    size = len(name)
    at = header.find(name)
    while at >= 0:
        end = at + size
        if _begins_cookie(header, at):
            equals = end if header[end : end + 1] == "=" else _past_blanks(header, end)
            if header[equals : equals + 1] == "=":
                stop = header.find(";", equals)
                value = header[equals + 1 :] if stop < 0 else header[equals + 1 : stop]
                return value.strip(_BLANKS)
        at = header.find(name, end)
    return None


def _begins_cookie(header: str, at: int) -> bool:
    """Whether only blanks stand between `at` and the start or a `;`."""
    before = at - 1
    while before >= 0 and header[before] in _BLANKS:
        before -= 1
    return before < 0 or header[before] == ";"


def _past_blanks(header: str, at: int) -> int:
    while header[at : at + 1] in (" ", "\t"):
        at += 1
    return at


class StickyCookies(dict[str, str]):
    """The variant keys by experiment key that cookies of one prefix hold, with what was written.

    (A dictionary with two marks, because making any other object would cost as much again.)
    """

    is_swept = False
    """Whether what has vanished was looked for."""
    useless: Mapping[str, object] = MappingProxyType({})
    """What follows the prefix in the names of cookies, in order, if there is any of no use."""

    @property
    def present(self) -> Mapping[str, object]:
        """What follows the prefix in the name of each cookie, in order, whatever its value."""
        return self.useless or self


def sticky_cookies_reader(prefix: str) -> Callable[[str], StickyCookies]:
    """A function that reads a Cookie header; what does not begin with `prefix` is not parsed."""
    begin = re.escape(prefix)
    # Matches wherever the prefix stands, and has groups where a browser would write such a cookie.
    # (The literal comes first because only then is it searched for, instead of tried everywhere.)
    find_all = re.compile(
        rf"{begin}(?:(?:(?<=; {begin})|(?<=\A{begin}))({EXPERIMENT_KEY.pattern})"
        rf"=({VARIANT_KEY.pattern})(?=;|\Z))?"
    ).findall

    def read(header: str) -> StickyCookies:
        pairs = find_all(header)
        found = StickyCookies(pairs)
        if "" in found or len(found) != len(pairs):
            return _sticky_cookies(header, prefix)
        return found

    return read


def _sticky_cookies(header: str, prefix: str) -> StickyCookies:
    """The same for any header: blanks, useless values, repeated names, a prefix inside a value."""
    found = StickyCookies()
    present: dict[str, None] = {}
    at = header.find(prefix)
    while at >= 0:
        start = at + len(prefix)
        if _begins_cookie(header, at):
            stop = header.find(";", start)
            key, equals, value = header[start : None if stop < 0 else stop].partition("=")
            key, value = key.rstrip(_BLANKS), value.strip(_BLANKS)
            if equals and key not in present:
                present[key] = None
                if VARIANT_KEY.fullmatch(value):
                    found[key] = value
        at = header.find(prefix, start)
    if len(present) != len(found):
        found.useless = present
    return found


def vanished(present: Iterable[str], known: Container[str], kept: str | None = None) -> list[str]:
    """The first experiment keys that are neither `known` nor `kept`; what is no key is not ours."""
    gone = (
        key for key in present if key not in known and key != kept and EXPERIMENT_KEY.fullmatch(key)
    )
    return list(islice(gone, MOST_EXPIRED))


def is_assignment(experiment_key: object, variant_key: object) -> bool:
    """Whether both are keys. Nothing else is ever written: it could carry `;` or a line feed."""
    return (
        isinstance(experiment_key, str)
        and isinstance(variant_key, str)
        and EXPERIMENT_KEY.fullmatch(experiment_key) is not None
        and VARIANT_KEY.fullmatch(variant_key) is not None
    )


def read_items(header: str) -> dict[str, str]:
    """The variant keys by experiment key of `expId1=variant1,expId2=variant2`, in order."""
    items: dict[str, str] = {}
    for item in header.split(","):
        key, equals, value = item.partition("=")
        key, value = key.strip(_BLANKS), value.strip(_BLANKS)
        if equals and is_assignment(key, value):
            items.setdefault(key, value)
    return items


def write_items(items: dict[str, str], changed: str | None = None) -> str:
    """The header's whole value; when it is too long, items other than `changed` go, the oldest
    first."""
    texts = {key: f"{key}={value}" for key, value in items.items()}
    length = sum(map(len, texts.values())) + max(len(texts) - 1, 0)
    for key in list(texts):
        if length <= LONGEST_HEADER:
            break
        if key != changed:
            length -= len(texts.pop(key)) + 1
    return ",".join(texts.values())
