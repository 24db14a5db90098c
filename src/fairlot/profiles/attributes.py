"""How what a sender says of a user changes what is known of it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

CUSTOM: Final = "custom_properties"
MAX_ATTRIBUTES: Final = 1_000
"""Of one profile, and as many custom properties beside. What is new beyond that is left out: a
sender that puts ids into names would else make a profile that grows for ever."""

MAX_ATTRIBUTES_BYTES: Final = 64 << 10
"""Of all attributes of one profile, or one account, as JSON."""

_NOTHING: Final = (None, "")
_encode: Final = msgspec.json.Encoder(enc_hook=dict).encode


def updated_attributes(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A value sets, null clears, "" changes nothing. The custom properties are merged: there null
    changes nothing either. What finds no room is left out."""
    found = dict(known)
    for name, value in given.items():
        if value is None and name != CUSTOM:
            found.pop(name, None)
        elif value not in _NOTHING and name != CUSTOM:
            _put(found, name, value)
    return _fitting(known, _with_custom(found, _custom(known), _custom(given)))


def completed_attributes(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Only what is not known is added, nothing is changed or cleared: for senders who may be
    anyone."""
    found = dict(known)
    for name, value in given.items():
        if name != CUSTOM and name not in known and value not in _NOTHING:
            _put(found, name, value)
    custom = _custom(known)
    new = {name: value for name, value in _custom(given).items() if name not in custom}
    return _fitting(known, _with_custom(found, custom, new))


def attributes_size(attributes: Mapping[str, Any]) -> int:
    """In bytes, as JSON."""
    return len(_encode(attributes))


def joined_attributes(first: Mapping[str, Any], others: Mapping[str, Any]) -> Mapping[str, Any]:
    """All of `first`; and those of `others`, by name, as far as they find room."""
    joined = {**others, **first}
    if len(joined) == len(first):
        return first
    if attributes_size(joined) <= MAX_ATTRIBUTES_BYTES:
        return joined
    joined, left = dict(first), MAX_ATTRIBUTES_BYTES - attributes_size(first)
    for name in sorted(others.keys() - first.keys()):
        left -= attributes_size({name: others[name]})
        if left < 0:
            break
        joined[name] = others[name]
    return joined


def fitting_attributes(
    known: Mapping[str, Any], changed: Mapping[str, Any], most: int = MAX_ATTRIBUTES_BYTES
) -> dict[str, Any]:
    """`changed`, where it has at most so many bytes; else what is known, without what is cleared,
    and with each change that finds room, in their order."""
    if attributes_size(changed) <= most:
        return dict(changed)
    found = {name: value for name, value in known.items() if name in changed}
    left = most - attributes_size(found)
    for name, value in changed.items():
        before = attributes_size({name: found[name]}) if name in found else 0
        growth = attributes_size({name: value}) - before
        if growth <= max(left, 0):
            found[name] = value
            left -= growth
    return found


def _with_custom(
    found: dict[str, Any], known: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    merged = dict(known)
    for name, value in given.items():
        if value not in _NOTHING:
            _put(merged, name, value)
    if merged:
        found[CUSTOM] = merged
    return found


def _fitting(known: Mapping[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """As `fitting_attributes`, and of the custom properties each by itself."""
    if attributes_size(changed) <= MAX_ATTRIBUTES_BYTES:
        return changed
    custom = _custom(known)
    plain = fitting_attributes(
        {name: value for name, value in known.items() if name != CUSTOM},
        {name: value for name, value in changed.items() if name != CUSTOM},
        MAX_ATTRIBUTES_BYTES - (attributes_size({CUSTOM: custom}) if custom else 0),
    )
    left = MAX_ATTRIBUTES_BYTES - attributes_size({**plain, CUSTOM: {}}) + len("{}")
    kept = fitting_attributes(custom, _custom(changed), left)
    return {**plain, CUSTOM: kept} if kept else plain


def _custom(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    found = attributes.get(CUSTOM)
    return found if isinstance(found, Mapping) else {}


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    if name in into or len(into) < MAX_ATTRIBUTES:
        into[name] = value
