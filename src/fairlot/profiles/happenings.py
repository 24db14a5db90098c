"""What a subject did."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Happening(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event of one subject. `event_id` is unique in its project: the second one with it is the
    same one again."""

    event_id: str
    name: str
    at_ms: int
    properties: Mapping[str, Any] = {}
