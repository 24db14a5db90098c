import msgspec
import pytest

from fairlot.events import Conversion, Exposure, Identity
from fairlot.warehouse.weights import BYTES_OF_ONE, weight_of, weight_of_all, weight_of_batch
from unit.warehouse.records import conversion, exposure, identity, received


@pytest.mark.parametrize("event", [exposure(), conversion(), identity()])
def test_weight_of__nothing_large__is_one(event: Exposure | Conversion | Identity) -> None:
    assert weight_of(event) == 1


@pytest.mark.parametrize(
    ("size", "weight"), [(BYTES_OF_ONE - 1, 1), (BYTES_OF_ONE, 2), (10 * BYTES_OF_ONE, 11)]
)
def test_weight_of__url_and_properties__one_more_for_each_so_many_bytes(
    size: int, weight: int
) -> None:
    properties = {"filling": "x" * (size - len(msgspec.json.encode({"filling": ""})))}
    assert weight_of(exposure(url="x" * size)) == weight
    assert weight_of(conversion(properties=properties)) == weight
    assert (
        weight_of(exposure(url="x" * size, properties=properties)) == 1 + 2 * size // BYTES_OF_ONE
    )


def test_weight_of__url_that_is_not_ascii__by_its_bytes() -> None:
    """An emoji is four bytes in UTF-8; half a pair is three."""
    assert weight_of(exposure(url="\U0001f600" * BYTES_OF_ONE)) == 5
    assert weight_of(exposure(url="\ud800" * BYTES_OF_ONE)) == 4


def test_weight_of__what_cannot_be_encoded__weighs_nothing_more() -> None:
    assert weight_of(exposure(properties={"half a pair": "\ud800"})) == 1


def test_weight_of_all__several__is_their_sum() -> None:
    large = exposure(url="x" * BYTES_OF_ONE)
    assert weight_of_all([large, exposure()]) == 3
    assert weight_of_batch(received(large, conversion(), identity())) == 4
    assert weight_of_batch(received()) == 1
