"""OpenFeature's names of our reasons: for its provider, and for its remote evaluation."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from fairlot import Reason


class Standard(StrEnum):
    """Those of OpenFeature's reasons that decisions have."""

    SPLIT = "SPLIT"
    STATIC = "STATIC"
    DISABLED = "DISABLED"
    DEFAULT = "DEFAULT"


_STANDARD: Final[Mapping[Reason, Standard]] = {
    Reason.BUCKET: Standard.SPLIT,
    Reason.STICKY: Standard.SPLIT,
    Reason.ADAPTER: Standard.SPLIT,
    Reason.DIVERT: Standard.STATIC,
    Reason.PREVIEW: Standard.STATIC,
    Reason.SCHEDULED: Standard.DISABLED,
    Reason.PAUSED: Standard.DISABLED,
    Reason.ENDED: Standard.DISABLED,
}


def standard_reason(reason: Reason) -> Standard:
    """The provider reports `unknown` and `invalid` as errors instead."""
    return _STANDARD.get(reason, Standard.DEFAULT)
