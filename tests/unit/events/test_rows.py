import pytest

from fairlot.events.rows import Complaint, instant_of, read_row, rules_of, unknown_member
from fairlot.events.sent import SentBatch, SentConversion, SentExposure, SentIdentity
from support.batches import conversion_row, exposure_row, identity_row


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (exposure_row(), SentExposure),
        (conversion_row(), SentConversion),
        (identity_row(), SentIdentity),
    ],
)
def test_read_row__each_kind__becomes_its_struct(row: dict[str, object], kind: type) -> None:
    assert type(read_row(row)) is kind


def test_read_row__several_wrong_fields__names_the_first() -> None:
    complaint = read_row(conversion_row(subject_id=5, at="now", value="x"))
    assert isinstance(complaint, Complaint)
    assert complaint.field == "subject_id"


@pytest.mark.parametrize(
    ("text", "instant_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1000),
        ("1970-01-01 00:00:00.999999999+00:00", 999),
        ("1969-12-31T23:59:59.9995Z", -1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01", None),
        ("1970-02-30T00:00:00Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("0001-01-01T00:00:00+00:01", None),
        ("1970-W01-4T00:00:00Z", None),
        ("١٩٧٠-01-01T00:00:00Z", None),
        ("0", None),
    ],
)
def test_instant_of__text__is_rfc_3339_or_none(text: str, instant_ms: int | None) -> None:
    assert instant_of(text) == instant_ms


def test_unknown_member__near_or_far__is_told_what_there_is() -> None:
    assert unknown_member(["a"], ["a", "b"]) is None
    assert unknown_member(["Sender"], ["sender_id", "x"]) == Complaint(
        "Sender", "not known; did you mean sender_id?"
    )
    assert unknown_member(["\ud800"], ["a"]) == Complaint("\\ud800", "not known; known: a")


def test_rules_of__batch__say_what_each_field_must_be() -> None:
    rules = rules_of(SentBatch)
    assert rules.keys() == set(SentBatch.__struct_fields__)
    assert [name for name, rule in rules.items() if rule.required] == [
        "sender_id",
        "batch_seq",
        "events",
    ]
    assert rules["batch_seq"].wanted == "an integer from 1 to 9007199254740991"
