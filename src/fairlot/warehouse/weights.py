"""How much of a queue a record takes. Its bound is there for the memory, which is what a record's
URL and properties make large: 0.3 KB without them, and mostly some four times their JSON with
them."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from typing import Final

import msgspec

from fairlot.events import Conversion, Exposure, Identity, ReceivedBatch

BYTES_OF_ONE: Final = 256
_encode: Final = msgspec.json.Encoder().encode
_UNENCODABLE: Final = (TypeError, ValueError, OverflowError)


def weight_of(event: Exposure | Conversion | Identity) -> int:
    """1, and 1 more for each BYTES_OF_ONE of its URL and of its properties as JSON."""
    url = event.url if isinstance(event, Exposure) else None
    if url is None and event.properties is None:
        return 1
    size = 0 if url is None else _bytes_of(url)
    if event.properties is not None:
        with suppress(*_UNENCODABLE):  # the writer will drop it
            size += len(_encode(event.properties))
    return 1 + size // BYTES_OF_ONE


def _bytes_of(url: str) -> int:
    return len(url) if url.isascii() else len(url.encode("utf-8", "surrogatepass"))


def weight_of_all(events: Iterable[Exposure | Conversion | Identity]) -> int:
    return sum(map(weight_of, events))


def weight_of_batch(batch: ReceivedBatch) -> int:
    """At least 1."""
    return max(1, weight_of_all(chain(batch.exposures, batch.conversions, batch.identities)))
