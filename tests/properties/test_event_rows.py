"""The strict decoder of a batch and the reader of single rows take the same rows."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlot.events.rows import Complaint, read_row
from fairlot.events.sent import SentBatch
from support.batches import a_batch, conversion_row, exposure_row, identity_row

pytestmark = pytest.mark.slow

# What is null or a text in `at` only the loose reader takes, U+0000 is looked for before decoding.
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
    st.sampled_from(["x" * 200, "x" * 201, "x" * 400, "x" * 401, "x" * 1000, "ä" * 1001]),
    st.sampled_from(["bucket", "preview", "human", "staff", "exposure", "conversion"]),
    st.integers(),
    st.sampled_from([0, -1, 2**53 - 1, 2**53, -62_135_596_800_000, -62_135_596_800_001]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.just([]),
    st.dictionaries(st.text("ab", max_size=2), st.integers(0, 9), max_size=2),
)
ROWS = st.sampled_from([exposure_row(), conversion_row(), identity_row()])
NAMES = st.sampled_from([*exposure_row(), "value", "tenant_id", "actor", "properties", "x"])
REMOVED = object()


@st.composite
def changed_rows(draw: st.DrawFn) -> dict[str, Any]:
    changes: Mapping[str, Any] = draw(
        st.dictionaries(NAMES, st.one_of(VALUES, st.just(REMOVED)), max_size=2)
    )
    row = draw(ROWS) | changes
    if isinstance(row.get("at"), str):
        row["at"] = 1
    return {name: value for name, value in row.items() if value is not REMOVED}


@settings(max_examples=1500)
@given(changed_rows())
def test_read_row__any_row__is_taken_just_when_the_strict_decoder_takes_it(
    row: dict[str, Any],
) -> None:
    loosely = read_row(row)
    try:
        strictly = msgspec.json.decode(msgspec.json.encode(a_batch(row)), type=SentBatch)
    except msgspec.ValidationError:
        assert isinstance(loosely, Complaint)
    else:
        assert strictly.events == (loosely,)
