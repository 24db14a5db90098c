"""Why subjects were seen in several variants, where that can be told."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class KnownCause:
    """`sentence` follows that of a finding. `restored` are the exposed, by phase and variant, as if
    those subjects had stayed where they were drawn first."""

    sentence: str
    advice: str
    evidence: Mapping[str, Any]
    restored: Mapping[int, Counter[str]]
