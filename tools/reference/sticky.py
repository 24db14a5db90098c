"""Sticky bytes (RULES S): the plainest reading of the rules, for the vectors."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

EXPERIMENT = re.compile(r"[a-z][a-z0-9_-]{0,63}")
VARIANT = re.compile(r"[a-z0-9_-]{1,32}")
SUBJECT = re.compile(r"[!#-+\--:<-\[\]-~]{1,400}")
PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")
DOMAIN = re.compile(r"\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
BLANKS = " \t"
SAME_SITE = {"lax": "Lax", "strict": "Strict", "none": "None"}
MOST_EXPIRED = 10
LONGEST_HEADER = 4096
Options = Mapping[str, Any]
Writes = Sequence[Mapping[str, str]]


def pairs(text: str, separator: str) -> Iterator[tuple[str, str]]:
    """Name and value of each part that has an equals sign."""
    for part in text.split(separator):
        name, equals, value = part.partition("=")
        if equals:
            yield name.strip(BLANKS), value.strip(BLANKS)


def first_value(cookies: Sequence[str], name: str, form: re.Pattern[str]) -> str | None:
    for found, value in pairs("; ".join(cookies), ";"):
        if found == name:
            return value if form.fullmatch(value) else None
    return None


def cookie_read(cookies: Sequence[str], experiment: str, prefix: str) -> str | None:
    return first_value(cookies, prefix + experiment, VARIANT)


def subject_read(cookies: Sequence[str], cookie: str) -> str | None:
    return first_value(cookies, cookie, SUBJECT)


def check_options(options: Options) -> None:
    """ValueError for options that no browser would obey."""
    secure = options.get("secure", True)
    prefix = options.get("prefix", "fx.")
    max_age_s = options.get("maxAgeS", 1)
    domain = options.get("domain")
    same_site = options.get("sameSite", "lax")
    holds = (
        same_site in SAME_SITE
        and (secure or (same_site != "none" and not options.get("partitioned", False)))
        and (isinstance(max_age_s, int) and max_age_s is not True and max_age_s >= 1)
        and PREFIX.fullmatch(prefix)
        and not (prefix.lower().startswith("__host-") and (domain is not None or not secure))
        and not (prefix.lower().startswith("__secure-") and not secure)
        and (domain is None or DOMAIN.fullmatch(domain))
    )
    if not holds:
        raise ValueError(options)


def line(name: str, value: str, max_age_s: int, options: Options) -> str:
    parts = [f"{name}={value}", "Path=/", f"Max-Age={max_age_s}"]
    parts.append(f"SameSite={SAME_SITE[options.get('sameSite', 'lax')]}")
    if options.get("secure", True):
        parts.append("Secure")
    if options.get("httpOnly", False):
        parts.append("HttpOnly")
    if options.get("domain") is not None:
        parts.append(f"Domain={options['domain']}")
    if options.get("partitioned", False):
        parts.append("Partitioned")
    return "; ".join(parts)


def cookie_write(cookies: Sequence[str], writes: Writes, options: Options) -> list[str]:
    check_options(options)
    prefix = options.get("prefix", "fx.")
    lines: list[str] = []
    for write in writes:
        experiment, variant = write["experiment"], write["variant"]
        if not (EXPERIMENT.fullmatch(experiment) and VARIANT.fullmatch(variant)):
            continue
        made = line(prefix + experiment, variant, options.get("maxAgeS", 31536000), options)
        if cookie_read(cookies, experiment, prefix) != variant and made not in lines:
            lines.append(made)
    return lines


def subject_write(subject: str, cookie: str, options: Options) -> str:
    return line(cookie, subject, options.get("maxAgeS", 31536000), options)


def cookie_expire(
    cookies: Sequence[str], known: Sequence[str], subject_cookie: str, options: Options
) -> list[str]:
    prefix = options.get("prefix", "fx.")
    names: list[str] = []
    for name, _ in pairs("; ".join(cookies), ";"):
        key = name[len(prefix) :]
        ours = name.startswith(prefix) and EXPERIMENT.fullmatch(key) and name != subject_cookie
        if ours and key not in known and name not in names:
            names.append(name)
    return [line(name, "", 0, options) for name in names[:MOST_EXPIRED]]


def header_items(headers: Sequence[str]) -> dict[str, str]:
    items: dict[str, str] = {}
    for key, value in pairs(",".join(headers), ","):
        if EXPERIMENT.fullmatch(key) and VARIANT.fullmatch(value):
            items.setdefault(key, value)
    return items


def header_read(headers: Sequence[str], experiment: str) -> str | None:
    return header_items(headers).get(experiment)


def header_write(headers: Sequence[str], writes: Writes) -> str | None:
    items, written = header_items(headers), None
    for write in writes:
        key, value = write["experiment"], write["variant"]
        usable = EXPERIMENT.fullmatch(key) and VARIANT.fullmatch(value)
        if usable and items.get(key) != value:
            items[key] = value
            written = header_value(items, key)
    return written


def header_value(items: dict[str, str], kept: str) -> str:
    """The whole value; drops the oldest of `items` but `kept` until it is short enough."""
    while len(value := ",".join(f"{key}={variant}" for key, variant in items.items())) > (
        LONGEST_HEADER
    ):
        del items[next(key for key in items if key != kept)]
    return value
