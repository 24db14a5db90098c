"""Read what track, identify and batch are sent: what somebody did, or what is wrong with it."""

import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import msgspec

from fairlot.engine.errors import shorten
from fairlot.events import Actor, derived_event_id, new_event_id
from fairlot.events.batches import AHEAD_ALLOWED_MS, SENT_AT
from fairlot.events.rows import is_sound
from fairlot.events.sent import MAX_INTEGER, MAX_NAME_CHARS
from fairlot.http.faces.track_properties import (
    OF_EVENTS,
    OF_PAGES,
    OF_USERS,
    Limits,
    Unfit,
    kept_properties,
)
from fairlot.http.faces.track_wire import MAX_EMAIL, MAX_EVENT, MAX_ID
from fairlot.profiles import Identifier, IdentifierKind, written_identifier
from fairlot.sdk.bots import names_a_program
from fairlot.service.profiles import is_long_name
from fairlot.service.tracking import Named, Tracked

IDENTIFY: Final = "$identify"
OLDEST_MS: Final = 7 * 86_400_000
_encoder: Final = msgspec.json.Encoder(order="deterministic")
_NOT_OF_PAGES: Final = (
    "a token that pages hold names visitors by userId only, since anyone can send with it"
)
_NOBODY: Final = "nobody is named: send userId, externalId, email or userProperties.phone_number"


class InvalidRow(ValueError):
    """Says every field that is wrong, and what it must be."""


class RowReader:
    """Of one project at one moment. With `is_public` the sender may be anyone; `user_agent` is
    that of who asks, if that is the end user."""

    def __init__(
        self, project_id: str, now_ms: int, *, is_public: bool, user_agent: str | None = None
    ) -> None:
        self._project_id = project_id
        self._now_ms = now_ms
        self._is_public = is_public
        self._user_agent = user_agent

    def event(self, fields: Mapping[str, Any], *, of_batch: bool) -> Tracked:
        """A body of track, or a row of a batch. Raises InvalidRow."""
        row = _Fields(fields)
        name = row.text("event", MAX_EVENT, required=True)
        if name.startswith("$") and name != IDENTIFY:
            row.complain("event", f"{shorten(name)}: names that begin with $ are reserved")
        if is_long_name(name):
            row.complain("event", "over 2400 bytes in UTF-8; send a shorter one")
        own_id = row.text("distinctId", MAX_ID, required=of_batch)
        own = row.properties("eventProperties", OF_EVENTS)
        return self._tracked(row, name, own_id, own, must_name=True)

    def identify(self, fields: Mapping[str, Any]) -> Tracked:
        """Raises InvalidRow."""
        row = _Fields(fields)
        if fields.get("userProperties") is None:
            row.complain("userProperties", "absent: must be an object")
        return self._tracked(row, IDENTIFY, "", {}, must_name=self._is_public)

    def _tracked(
        self, row: "_Fields", name: str, own_id: str, own: dict[str, Any], *, must_name: bool
    ) -> Tracked:
        page = row.properties("defaultProperties", OF_PAGES)
        attributes = row.properties("userProperties", OF_USERS)
        who = self._named(row, attributes, must_name=must_name)
        sent_ms = row.number("time")
        at_ms, flags = self._at(row, sent_ms)
        agent = row.user_agent() or self._user_agent
        row.check()
        if not own_id and sent_ms is not None:
            own_id = _id_of_all((name, sent_ms, who, page, own, attributes))
        return Tracked(
            self._event_id(own_id),
            name,
            at_ms,
            who,
            properties={**page, **own, **flags},
            attributes=attributes,
            value=_value_of(own),
            session_id=_session_of(page),
            actor=Actor.BOT if agent and names_a_program(agent) else Actor.HUMAN,
        )

    def _event_id(self, own_id: str) -> str:
        """Who may be anyone takes no id from a server; no text that is sent holds U+0000."""
        if not own_id:
            return new_event_id(self._now_ms)
        text = f"public\0{own_id}" if self._is_public else own_id
        return derived_event_id(self._project_id, text)

    def _named(self, row: "_Fields", attributes: Mapping[str, Any], *, must_name: bool) -> Named:
        user_id = row.text("userId", MAX_ID, as_given=True)
        external_id = row.text("externalId", MAX_ID)
        email = row.text("email", MAX_EMAIL)
        if self._is_public:
            for name, given in (("externalId", external_id), ("email", email)):
                if given:
                    row.complain(name, _NOT_OF_PAGES)
            if not user_id:
                row.complain("userId", f"absent: {_NOT_OF_PAGES}")
            return Named(user_id)
        looked_up = _identifiers(external_id, email, attributes.get("phone_number"))
        also = _identifiers(attributes.get("external_id"), attributes.get("email"), None)
        for each in (*looked_up, *also):
            most = _MOST[each.kind]
            if len(each.value) > most:
                row.complain(each.kind.value, f"over {most} characters; send a shorter one")
        if not (user_id or looked_up):
            if must_name:
                row.complain("", _NOBODY)
            user_id = str(uuid4())
        return Named(
            user_id or None, looked_up, tuple(each for each in also if each not in looked_up)
        )

    def _at(self, row: "_Fields", sent: int | None) -> tuple[int, dict[str, Any]]:
        """When, and the flag of a moment that was set back."""
        if sent is None:
            return self._now_ms, {}
        if sent < self._now_ms - OLDEST_MS:
            row.complain("time", f"{sent}: must be a moment of the last 7 days, in ms")
        if sent > self._now_ms + AHEAD_ALLOWED_MS:
            return self._now_ms, {SENT_AT: sent}
        return sent, {}


class _Fields:
    """The members of one row, and what was found wrong with them. Null is absence."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._problems: list[str] = []

    def complain(self, name: str, problem: str) -> None:
        self._problems.append(f"{name}: {problem}" if name else problem)

    def check(self) -> None:
        """Raises InvalidRow."""
        if self._problems:
            raise InvalidRow("; ".join(self._problems))

    def text(self, name: str, most: int, *, required: bool = False, as_given: bool = False) -> str:
        """Without the space around it, unless `as_given`; of a number its text. Empty when it is
        absent."""
        given = self._fields.get(name)
        if given is None and not required:
            return ""
        text = given if as_given and isinstance(given, str) else _text_of(given)
        if text is None or not 1 <= len(text) <= most or not is_sound(text):
            said = "absent" if given is None else shorten(given)
            self.complain(
                name,
                f"{said}: must be a text of 1 to {most} characters, without U+0000 or half a"
                " surrogate pair",
            )
            return ""
        return text

    def number(self, name: str) -> int | None:
        given = self._fields.get(name)
        if given is None:
            return None
        is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
        if not is_number or not abs(given) <= MAX_INTEGER:
            self.complain(name, f"{shorten(given)}: must be a number of milliseconds, or null")
            return None
        return int(given)

    def properties(self, name: str, limits: Limits) -> dict[str, Any]:
        given = self._fields.get(name)
        if given is None:
            return {}
        if not isinstance(given, dict):
            self.complain(name, f"{shorten(given)}: must be an object, or null")
            return {}
        try:
            return kept_properties(given, limits)
        except Unfit as error:
            self.complain(name, str(error))
            return {}

    def user_agent(self) -> str | None:
        """Of the `identityContext`."""
        given = self._fields.get("identityContext")
        if given is None:
            return None
        if not isinstance(given, dict):
            self.complain("identityContext", f"{shorten(given)}: must be an object, or null")
            return None
        agent = given.get("userAgent")
        return agent if isinstance(agent, str) else None


def _id_of_all(said: tuple[object, ...]) -> str:
    """The same for what says the same, of the same moment; no id that is sent holds U+0000."""
    return f"row\0{sha256(_encoder.encode(said)).hexdigest()}"


def _text_of(given: object) -> str | None:
    if isinstance(given, str):
        return given.strip()
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return None
    if isinstance(given, float):
        if not math.isfinite(given):
            return None
        return str(int(given)) if given.is_integer() else f"{given!r}"
    return str(given)


def _identifiers(external_id: object, email: object, phone: object) -> tuple[Identifier, ...]:
    given = (
        (IdentifierKind.EXTERNAL, external_id),
        (IdentifierKind.EMAIL, email),
        (IdentifierKind.PHONE, phone),
    )
    found = (written_identifier(kind, text) for kind, each in given if (text := _text_of(each)))
    return tuple(each for each in found if each.value)


_MOST: Final = {
    IdentifierKind.EXTERNAL: MAX_ID,
    IdentifierKind.EMAIL: MAX_EMAIL,
    IdentifierKind.PHONE: MAX_ID,
}
"""As it is written: lower case may be longer."""


def _value_of(properties: Mapping[str, Any]) -> float | None:
    value = properties.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _session_of(properties: Mapping[str, Any]) -> str | None:
    found = properties.get("sid")
    return found if isinstance(found, str) and 1 <= len(found) <= MAX_NAME_CHARS else None
