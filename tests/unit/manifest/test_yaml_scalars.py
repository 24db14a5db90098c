"""YAML 1.2's core schema, with its published examples (YAML 1.2.2, section 10.3.2)."""

import math

import pytest

from fairlot.manifest.yaml_scalars import core_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("0", 0),
        ("-19", -19),
        ("+12", 12),
        ("007", 7),
        ("0o7", 7),
        ("0x3A", 58),
        ("0.", 0.0),
        ("-0.0", -0.0),
        (".5", 0.5),
        ("+12e03", 12000.0),
        ("-2E+05", -200000.0),
        ("9007199254740991", 9007199254740991),
        ("-9007199254740991", -9007199254740991),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00Z"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1.2.3", "1.2.3"),
        ("1e", "1e"),
        (".", "."),
        ("=", "="),
        ("0X3A", "0X3A"),
        ("٣", "٣"),
    ],
)
def test_scalar__unquoted__means_what_the_core_schema_says(text: str, value: object) -> None:
    read = core_value(text)
    assert read == value
    assert type(read) is type(value)
    assert not isinstance(read, float) or math.copysign(1, read) == math.copysign(1, float(text))


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN", ".inf", "-.Inf", "+.INF"])
def test_scalar__not_a_finite_number__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON has no such number"):
        core_value(text)


@pytest.mark.parametrize("text", ["9007199254740992", "-9007199254740992", "0x20000000000000"])
def test_scalar__whole_number_that_browsers_round__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="browsers round it; quote it as a text"):
        core_value(text)


@pytest.mark.parametrize("text", ["1e400", "-1e400"])
def test_scalar__too_large_for_a_float__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large for a number"):
        core_value(text)


@pytest.mark.parametrize("text", ["1" * 401, "0x" + "1" * 400, "0." + "1" * 400])
def test_scalar__endless_number__is_refused_without_reading_it(text: str) -> None:
    with pytest.raises(ValueError, match="at most 400 characters"):
        core_value(text)
