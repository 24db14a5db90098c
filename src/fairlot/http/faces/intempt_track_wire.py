"""The body of Intempt's track, and what is read of it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.engine.errors import shorten
from fairlot.events import derived_event_id, new_event_id
from fairlot.events.batches import AHEAD_ALLOWED_MS, SENT_AT
from fairlot.events.properties import properties_problem
from fairlot.events.rows import instant_of
from fairlot.events.sent import MAX_INTEGER, MAX_NAME_CHARS
from fairlot.http.faces.intempt import id_of, read
from fairlot.http.problems import Problem, ProblemCode, Refused, invalid_fields
from fairlot.profiles import Claim, claim_of_source, claim_of_subject, user_identifier
from fairlot.profiles.products import product_id_of
from fairlot.service.feeds import Incoming, InvalidProduct, read_product
from fairlot.service.reports import Report

BODY_BYTES: Final = 8 << 20
MAX_ROWS: Final = 10_000
EARLIEST_MS: Final = 1_262_304_000_000  # 2010-01-01T00:00:00Z
_NOBODY: Final = (
    "send at least one of profileId, userId and accountId, or productId, beside data or in it"
)


class TrackItem(msgspec.Struct, frozen=True, rename="camel"):
    """`timestamp` is ms since the epoch or an ISO 8601 text; without it, or when it is ahead of
    the server's clock, the event happened now. `productId` may also stand in `data`. Null is
    absence, other fields are ignored."""

    event_id: str | None = None
    profile_id: str | None = None
    user_id: str | None = None
    account_id: str | None = None
    another_user_id: str | None = None
    product_id: str | int | None = None
    timestamp: int | float | str | None = None
    session_id: str | None = None
    data: dict[str, msgspec.Raw] | None = None
    user_attributes: dict[str, Any] | None = None
    account_attributes: dict[str, Any] | None = None


class TrackEntry(msgspec.Struct, frozen=True):
    """An event; `payload` has several rows where it has several lines, as an order."""

    name: str
    payload: tuple[TrackItem, ...]


class TrackRequest(msgspec.Struct, frozen=True):
    track: tuple[TrackEntry, ...]


class Reported(NamedTuple):
    reports: list[Report]
    products: list[Incoming]


_decoder: Final = msgspec.json.Decoder(TrackRequest)
_any: Final = msgspec.json.Decoder()


def read_track(body: bytes, project_id: str, source_id: str | None, now_ms: int) -> Reported:
    """Raises Refused: 400, with the first thing that is wrong, and 413 for too many rows."""
    request = read(body, _decoder)
    rows = sum(len(each.payload) for each in request.track)
    if rows > MAX_ROWS:
        detail = f"track: {rows:,} rows; send at most {MAX_ROWS:,} at once"
        raise Refused(Problem(413, ProblemCode.TOO_LARGE, detail))
    reader = _Reader(project_id, source_id, now_ms)
    for index, entry in enumerate(request.track):
        reader.add(entry, f"track[{index}]")
    return Reported(reader.reports, reader.products)


class _Reader:
    def __init__(self, project_id: str, source_id: str | None, now_ms: int) -> None:
        self.reports: list[Report] = []
        self.products: list[Incoming] = []
        self._project_id = project_id
        self._source_id = source_id
        self._now_ms = now_ms

    def add(self, entry: TrackEntry, at: str) -> None:
        if not len(entry.name.strip()) >= 1 or len(entry.name) > MAX_NAME_CHARS:
            raise invalid_fields(f"{at}.name: must be a text of 1 to {MAX_NAME_CHARS} characters")
        lines: Counter[str] = Counter()
        for index, sent in enumerate(entry.payload):
            place = f"{at}.payload[{index}]"
            item = _with_product_id(sent, place)
            account_id = id_of(f"{place}.accountId", item.account_id)
            claim = self._claim_of(item, place)
            if claim is None and account_id is None:
                self.products.append(_product_of(item, place))
                continue
            report = Report(
                self._event_id(item, lines, place),
                entry.name,
                self._now_ms,
                claim or Claim(()),
                _checked(f"{place}.data", _data_of(item, place)),
                _checked(f"{place}.userAttributes", item.user_attributes),
                account_id,
                _checked(f"{place}.accountAttributes", item.account_attributes),
                id_of(f"{place}.sessionId", item.session_id),
            )
            self.reports.append(self._timed(report, item, place))

    def _claim_of(self, item: TrackItem, at: str) -> Claim | None:
        profile_id = id_of(f"{at}.profileId", item.profile_id)
        user_id = id_of(f"{at}.userId", item.user_id)
        other = id_of(f"{at}.anotherUserId", item.another_user_id)
        if profile_id is None and user_id is None:
            return None
        if profile_id is not None and self._source_id is not None:
            claim = claim_of_source(self._source_id, profile_id, user_id=user_id)
        else:
            claim = claim_of_subject(profile_id or user_id or "", user_id=user_id)
        if other is None:
            return claim
        names = (*claim.names, user_identifier(other))
        return msgspec.structs.replace(claim, names=names, merge=True)

    def _event_id(self, item: TrackItem, lines: Counter[str], at: str) -> str:
        """Lines of one event share an id of the sender: the second has its number beside."""
        given = id_of(f"{at}.eventId", item.event_id)
        if given is None:
            return new_event_id(self._now_ms)
        line = lines[given]
        lines[given] += 1
        return derived_event_id(self._project_id, f"{given}:{line}" if line else given)

    def _timed(self, report: Report, item: TrackItem, at: str) -> Report:
        sent_ms = _sent_ms(item, f"{at}.timestamp")
        if sent_ms is None:
            return report
        if sent_ms < EARLIEST_MS:
            raise invalid_fields(
                f"{at}.timestamp: {sent_ms} is before {EARLIEST_MS} (2010-01-01); send"
                " milliseconds since 1970"
            )
        if sent_ms <= self._now_ms + AHEAD_ALLOWED_MS:
            return replace(report, at_ms=sent_ms)
        flagged = {**report.properties, SENT_AT: min(sent_ms, MAX_INTEGER)}
        return replace(report, properties=flagged)


def _with_product_id(item: TrackItem, at: str) -> TrackItem:
    """What stands beside the data says the same as in it."""
    if item.product_id in (None, ""):
        return item
    in_data = _data_of(item, at).get("productId")
    if in_data is None:
        own = msgspec.Raw(msgspec.json.encode(item.product_id))
        return msgspec.structs.replace(item, data={**(item.data or {}), "productId": own})
    if product_id_of(in_data) != product_id_of(item.product_id):
        said = shorten(item.product_id)
        raise invalid_fields(
            f"{at}.productId: {said} is not what data.productId says; send one of the two"
        )
    return item


def _sent_ms(item: TrackItem, at: str) -> int | None:
    given = item.timestamp
    if isinstance(given, str):
        found = instant_of(given)
        if found is None:
            raise invalid_fields(f"{at}: {given[:80]!r} is no ISO 8601 instant")
        return found
    return None if given is None else int(min(given, MAX_INTEGER))


def _data_of(item: TrackItem, at: str) -> Mapping[str, Any]:
    try:
        found = {name: _any.decode(value) for name, value in (item.data or {}).items()}
        for value in found.values():
            if isinstance(value, int):
                float(value)  # OverflowError: no number of the event log
    except RecursionError:
        raise invalid_fields(f"{at}.data: nested too deeply; flatten it") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise invalid_fields(f"{at}.data: {error}") from None
    return found


def _checked(at: str, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    problem = properties_problem(given) if given else None
    if problem is not None:
        raise invalid_fields(f"{at}: {problem}")
    return given or {}


def _product_of(item: TrackItem, at: str) -> Incoming:
    """Its values as they came."""
    data = item.data or {}
    product_id = product_id_of(_data_of(item, at).get("productId"))
    if product_id is None:
        raise invalid_fields(f"{at}: {_NOBODY}")
    try:
        return read_product(msgspec.json.encode(data), product_id=product_id)
    except InvalidProduct as error:
        raise invalid_fields(f"{at}.data: {error.problem}") from None
