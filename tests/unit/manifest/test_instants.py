"""RFC 3339 instants and times of day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlot.manifest.instants import read_clock, read_instant, write_clock, write_instant

LATEST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


@pytest.mark.parametrize(
    ("text", "instant_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.5z", 500),
        ("1970-01-01T00:00:00.12300Z", 123),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1996-12-19T16:39:57-08:00", 851_042_397_000),  # RFC 3339, section 5.8
        ("2000-02-29T00:00:00Z", 951_782_400_000),
    ],
)
def test_instant__well_formed__is_read_exactly(text: str, instant_ms: int) -> None:
    assert read_instant(text) == instant_ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T06:00:00",
        "2026-11-23 06:00:00Z",
        "2026-11-23T06:00Z",
        "2026-11-23T06:00:60Z",
        "2026-13-01T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T06:00:00+24:00",
        "2026-11-23T06:00:00+01:60",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-11-23T06:00:00Z",
        "2026-11-23T06:00:00Z\n",
        "",
    ],
)
def test_instant__not_rfc_3339__is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="as in 2026-11-23T06:00:00Z"):
        read_instant(text)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("2026-11-28T22:39:21.289078Z", "2026-11-28T22:39:21.289Z"),
        ("2026-11-28T22:39:21.289078123+01:00", "2026-11-28T22:39:21.289+01:00"),
        ("2026-11-23T06:00:00.1234z", "2026-11-23T06:00:00.123z"),
    ],
)
def test_instant__finer_than_milliseconds__is_refused_with_what_to_write(
    text: str, cut: str
) -> None:
    with pytest.raises(ValueError, match="at most three decimals of a second, as in ") as caught:
        read_instant(text)
    assert str(caught.value).endswith(f"as in {cut}")
    read_instant(cut)


@given(st.integers(-62_135_596_800_000, LATEST_MS))
def test_instant__any__survives_writing_and_reading(instant_ms: int) -> None:
    assert read_instant(write_instant(instant_ms)) == instant_ms


def test_instant__whole_second__is_written_with_milliseconds() -> None:
    assert write_instant(1_795_413_600_000) == "2026-11-23T06:00:00.000Z"


@given(st.integers(0, 1439))
def test_clock__any_minute__survives_writing_and_reading(minutes: int) -> None:
    assert read_clock(write_clock(minutes)) == minutes


@pytest.mark.parametrize("text", ["9:00", "24:00", "12:60", "12:00:00", "", "12.30"])
def test_clock__not_hours_and_minutes__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as in 09:00"):
        read_clock(text)
