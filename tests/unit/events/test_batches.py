import json
from typing import Any

import msgspec
import pytest

from fairlot.engine import Reason
from fairlot.events import Actor, Conversion, Exposure, Identity, Trust, derived_event_id
from fairlot.events.batches import BatchRefusal, BatchRefused, ReadBatch, read_batch
from fairlot.events.sent import SentBatch, SentConversion, SentExposure, SentIdentity
from support.batches import UUID, a_batch, conversion_row, exposure_row, identity_row

NOW_MS = 1_700_000_001_000
FIVE_MINUTES_MS = 300_000


def read(*rows: object, **fields: Any) -> ReadBatch:
    """By way of the standard library, which writes NaN and lone surrogates too."""
    return read_batch(json.dumps(a_batch(*rows, **fields)).encode(), "prj_1", NOW_MS)


def refused(body: bytes) -> BatchRefused:
    with pytest.raises(BatchRefused) as caught:
        read_batch(body, "prj_1", NOW_MS)
    return caught.value


def test_read_batch__exposure__is_recorded_with_what_the_server_knows() -> None:
    row = exposure_row(
        tenant_id="t", session_id="s", actor="bot", device="mobile", url="https://a.example/",
        failure="late", properties={"plan": ["pro", 1.5, None]},
    )  # fmt: skip
    batch, rejected = read(row, batch_seq=7, source="sdk-python")
    assert rejected == ()
    assert batch.exposures == [
        Exposure(
            event_id=UUID,
            project_id="prj_1",
            experiment_id="exp_hero",
            experiment_key="hero",
            subject_id="anna",
            unit_id="anna",
            variant_key="bold",
            variant_id="var_bold",
            manifest_version=3,
            hash_version=1,
            reason=Reason.BUCKET,
            occurred_at_ms=NOW_MS - 1000,
            received_at_ms=NOW_MS,
            failure="late",
            tenant_id="t",
            session_id="s",
            device="mobile",
            url="https://a.example/",
            actor=Actor.BOT,
            trust=Trust.SERVER,
            source="sdk-python",
            sender_id="sender-1",
            batch_seq=7,
            properties={"plan": ["pro", 1.5, None]},
        )
    ]


def test_read_batch__conversion_and_identity__are_recorded() -> None:
    batch, rejected = read(conversion_row("a", value=3), identity_row("b"), conversion_row("c"))
    assert rejected == ()
    assert [type(each) for each in batch.conversions] == [Conversion, Conversion]
    assert [each.value for each in batch.conversions] == [3.0, None]
    (identity,) = batch.identities
    assert isinstance(identity, Identity)
    assert (identity.subject_id, identity.user_id) == ("anna", "user-1")
    assert batch.accepted == 3


def test_read_batch__numbers_of_the_sender__are_kept() -> None:
    batch, _ = read(batch_seq=4, events_before=31, dropped_total=5, source=None)
    assert (batch.batch_seq, batch.events_before, batch.dropped_total) == (4, 31, 5)
    assert (batch.sender_id, batch.source, batch.sent) == ("sender-1", None, 0)


def test_read_batch__what_the_sdk_encodes__is_taken_whole() -> None:
    sent = SentBatch(
        sender_id="s",
        batch_seq=1,
        events=(
            msgspec.convert(exposure_row("a"), SentExposure),
            msgspec.convert(conversion_row("b"), SentConversion),
            msgspec.convert(identity_row("c"), SentIdentity),
        ),
    )
    batch, rejected = read_batch(msgspec.json.encode(sent), "prj_1", NOW_MS)
    assert (batch.accepted, rejected) == (3, ())


@pytest.mark.parametrize("text", [UUID, UUID.upper(), "00000000-0000-0000-0000-0000000000AB"])
def test_read_batch__event_id_that_is_a_uuid__is_kept_in_lower_case(text: str) -> None:
    batch, _ = read(conversion_row(text))
    assert batch.conversions[0].event_id == text.lower()


@pytest.mark.parametrize("text", ["order-1", "{" + UUID + "}", UUID.replace("-", ""), "ä" * 200])
def test_read_batch__event_id_of_another_form__gives_one_of_the_project(text: str) -> None:
    batch, _ = read(conversion_row(text), conversion_row(text))
    assert {each.event_id for each in batch.conversions} == {derived_event_id("prj_1", text)}
    other = read_batch(json.dumps(a_batch(conversion_row(text))).encode(), "prj_2", NOW_MS)
    assert other.batch.conversions[0].event_id != batch.conversions[0].event_id


@pytest.mark.parametrize(
    ("at", "occurred_at_ms"),
    [
        (NOW_MS + FIVE_MINUTES_MS, NOW_MS + FIVE_MINUTES_MS),
        (0, 0),
        (-62_135_596_800_000, -62_135_596_800_000),
        ("2026-11-23T06:00:00Z", None),
        ("2023-11-14T22:13:20.123999+00:00", 1_700_000_000_123),
        ("2023-11-14t22:13:20.5+01:30", 1_699_994_600_500),
    ],
)
def test_read_batch__at__is_milliseconds_or_text(at: object, occurred_at_ms: int | None) -> None:
    (conversion,) = read(conversion_row(at=at)).batch.conversions
    assert conversion.occurred_at_ms == (NOW_MS if occurred_at_ms is None else occurred_at_ms)


def test_read_batch__at_more_than_five_minutes_ahead__is_set_back_and_flagged() -> None:
    ahead = NOW_MS + FIVE_MINUTES_MS + 1
    batch, rejected = read(conversion_row(at=ahead, properties={"a": 1}), exposure_row(at=ahead))
    assert rejected == ()
    events: list[Conversion | Exposure] = [*batch.conversions, *batch.exposures]
    assert [each.occurred_at_ms for each in events] == [NOW_MS, NOW_MS]
    assert batch.conversions[0].properties == {"a": 1, "fairlot.sent_at_ms": ahead}
    assert batch.exposures[0].properties == {"fairlot.sent_at_ms": ahead}


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        (5, "", "must be an object"),
        ({}, "kind", "absent: must be one of exposure, conversion, identity"),
        (conversion_row(kind=["exposure"]), "kind", "must be one of"),
        (conversion_row(evnet_name="x"), "evnet_name", "did you mean event_name?"),
        (conversion_row(zzz=1), "zzz", "known: event_id, subject_id"),
        (conversion_row() | {"event_id": None}, "event_id", "would count twice"),
        (conversion_row(event_id=""), "event_id", "1 to 200 characters"),
        (conversion_row(event_id="x" * 201), "event_id", "1 to 200 characters"),
        (conversion_row(subject_id=""), "subject_id", "1 to 400 characters"),
        (conversion_row(subject_id="x" * 401), "subject_id", "1 to 400 characters"),
        (conversion_row(subject_id="a\0b"), "subject_id", "U+0000"),
        (conversion_row(subject_id="a\ud800"), "subject_id", "surrogate"),
        (conversion_row(subject_id=7), "subject_id", "7: must be a text"),
        (conversion_row(at=True), "at", "milliseconds since the epoch"),
        (conversion_row(at=1.5), "at", "milliseconds since the epoch"),
        (conversion_row(at="2023-11-14T22:13:20"), "at", "with its offset"),
        (conversion_row(at="0001-01-01T00:00:00+01:00"), "at", "with its offset"),
        (conversion_row(at=10**18), "at", "milliseconds since the epoch"),
        (conversion_row(actor="robot"), "actor", "one of human, bot, staff"),
        (conversion_row(value=float("nan")), "value", "nan: must be a finite number"),
        (conversion_row(value=float("inf")), "value", "finite"),
        (conversion_row(value=10**400), "value", "finite"),
        (conversion_row(value=True), "value", "finite"),
        (conversion_row(properties=[]), "properties", "an object"),
        (conversion_row(properties={"a": "x" * 8192}), "properties", "over 8192 bytes"),
        (conversion_row(properties={"fairlot.x": 1}), "properties", "rename it"),
        (exposure_row(reason="preview"), "reason", "previews are not recorded"),
        (exposure_row(reason="luck"), "reason", "one of unknown"),
        (exposure_row(manifest_version=-1), "manifest_version", "an integer from 0"),
        (exposure_row(url="x" * 8193), "url", "8192 characters"),
        (identity_row(user_id=None), "user_id", "absent: must be a text"),
    ],
)
def test_read_batch__bad_row__is_named_and_the_others_are_recorded(
    row: object, field: str, words: str
) -> None:
    batch, rejected = read(conversion_row("first"), row, exposure_row("last"))
    (problem,) = rejected
    assert (problem.index, problem.field) == (1, field)
    assert words in problem.detail
    assert (batch.sent, batch.rejected, batch.accepted) == (3, 1, 2)
    assert len(batch.conversions) == len(batch.exposures) == 1


def test_read_batch__bad_row__is_named_by_its_id_where_that_can_be_said() -> None:
    rows = [conversion_row(name, value="x") for name in ("mine", "half \ud800", "x" * 201)]
    assert [each.event_id for each in read(*rows).rejected] == ["mine", None, None]


def test_read_batch__null__is_absence() -> None:
    empty = dict.fromkeys(("tenant_id", "session_id", "actor", "properties", "value"))
    batch, rejected = read(conversion_row() | empty, events_before=None, dropped_total=None)
    assert rejected == ()
    assert batch.conversions[0].actor is Actor.HUMAN
    assert batch.events_before == 0


def test_read_batch__row_nested_without_end__is_refused_alone() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    marker = b'"deep"'
    body = json.dumps(
        a_batch(conversion_row("a"), conversion_row("b", properties={"a": "deep"}), '[}\\"')
    ).encode()
    batch, rejected = read_batch(body.replace(marker, deep), "prj_1", NOW_MS)
    assert [(each.index, each.field) for each in rejected] == [(1, "properties"), (2, "")]
    assert "nested deeper than 32 levels" in rejected[0].detail
    assert batch.accepted == 1


def test_read_batch__bytes_that_are_not_utf_8__spoil_only_their_row() -> None:
    body = json.dumps(a_batch(conversion_row("a"), conversion_row("b", event_name="caf!"))).encode()
    batch, rejected = read_batch(body.replace(b"caf!", b"caf\xe9"), "prj_1", NOW_MS)
    assert [each.field for each in rejected] == ["event_name"]
    assert batch.accepted == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"5", b"{", b'{"a":1}x', b"\xff\xfe{", b"[" * 50_000, b"[" * 50_000 + b'"\\' * 9],
)
def test_read_batch__no_json_object__is_malformed(body: bytes) -> None:
    assert refused(body).refusal is BatchRefusal.MALFORMED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sender_id": None}, "sender_id: absent: must be a text of 1 to 200"),
        ({"sender_id": "a\0"}, "sender_id: "),
        ({"batch_seq": 0}, "batch_seq: 0: must be an integer from 1"),
        ({"batch_seq": True}, "batch_seq: True: must be"),
        ({"events_before": -1}, "events_before: -1"),
        ({"events": {}}, "events: {}: must be a list"),
        ({"source": 5}, "source: 5: must be a text"),
        ({"dropped": 5}, "dropped: not known; did you mean dropped_total?"),
    ],
)
def test_read_batch__bad_batch__names_the_field_and_the_fix(
    fields: dict[str, Any], words: str
) -> None:
    error = refused(json.dumps(a_batch(conversion_row()) | fields).encode())
    assert error.refusal is BatchRefusal.INVALID
    assert words in str(error)


def test_read_batch__several_bad_fields__are_all_named() -> None:
    error = str(refused(b"{}"))
    assert all(name in error for name in ("sender_id", "batch_seq", "events"))


def test_read_batch__too_many_events__are_refused_as_such() -> None:
    rows = [conversion_row(f"{number}") for number in range(1001)]
    assert refused(json.dumps(a_batch(*rows)).encode()).refusal is BatchRefusal.TOO_MANY_EVENTS
    assert read(*rows[:1000]).batch.accepted == 1000
