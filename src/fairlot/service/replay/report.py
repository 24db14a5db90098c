"""What a replay found, as commands and the API print it."""

from enum import StrEnum
from typing import Final

import msgspec


class Cause(StrEnum):
    """How an exposure contradicts the version that it names."""

    OTHER_VARIANT = "other_variant"
    OTHER_ARM = "other_arm"
    IN_HOLDOUT = "in_holdout"
    OUTSIDE_LAYER = "outside_layer"
    OUTSIDE_SAMPLE = "outside_sample"
    OUTSIDE_RECIPE = "outside_recipe"
    NO_ORIGIN = "no_origin"
    UNKNOWN_VARIANT = "unknown_variant"
    OTHER_NAMES = "other_names"
    OTHER_UNIT = "other_unit"
    NOT_RUNNING = "not_running"
    DIVERTED = "diverted"
    REASON_WITHOUT_VARIANT = "reason_without_variant"
    NOT_IN_VERSION = "not_in_version"
    BROKEN_IN_VERSION = "broken_in_version"
    VERSION_NEVER_PUBLISHED = "version_never_published"


class NotChecked(StrEnum):
    """Why nothing can be said of an exposure."""

    DIVERT = "divert"
    ADAPTER = "adapter"
    PREVIEW = "preview"
    REMEMBERED_ELSEWHERE = "remembered_elsewhere"
    VERSION_NOT_STORED = "version_not_stored"
    VERSION_UNREADABLE = "version_unreadable"


CAUSES: Final = {
    Cause.OTHER_VARIANT: "the hash of the unit falls into the range of another variant",
    Cause.OTHER_ARM: "the hash of the unit is of the other arm",
    Cause.IN_HOLDOUT: "the unit is held out",
    Cause.OUTSIDE_LAYER: "the unit is outside the range that the experiment owns of its layer",
    Cause.OUTSIDE_SAMPLE: "the unit is not sampled",
    Cause.OUTSIDE_RECIPE: "the unit is outside the recipe rate of the variant",
    Cause.NO_ORIGIN: "nothing gave the unit the variant that it is said to keep",
    Cause.UNKNOWN_VARIANT: "the version has no such variant",
    Cause.OTHER_NAMES: "the version has another experiment id, variant id or hash version",
    Cause.OTHER_UNIT: "the unit is not the subject, and should be",
    Cause.NOT_RUNNING: "the experiment was not running in the version",
    Cause.DIVERTED: "the version diverts everybody to another variant",
    Cause.REASON_WITHOUT_VARIANT: "the reason is one that comes without a variant",
    Cause.NOT_IN_VERSION: "the version has no such experiment",
    Cause.BROKEN_IN_VERSION: "the experiment is broken in the version, so it decides nothing",
    Cause.VERSION_NEVER_PUBLISHED: "the version is above all that were published",
}
NOT_CHECKED: Final = {
    NotChecked.DIVERT: "diverted: whether the subject was of the audience is not recorded",
    NotChecked.ADAPTER: "chosen by a decision adapter, which is not ours",
    NotChecked.PREVIEW: "a preview, which is not recorded by what is ours",
    NotChecked.REMEMBERED_ELSEWHERE: "kept by a client or a profile; no earlier record of it here",
    NotChecked.VERSION_NOT_STORED: "the version is not stored; a backup that was put back lost it",
    NotChecked.VERSION_UNREADABLE: "the stored version cannot be read",
}


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a replay."""


class Disagreement(_Part, frozen=True, kw_only=True):
    """`expected` is the variant that the version draws, None for none. `likely` says in words what
    may have happened; `given_by` are stored versions that draw what was recorded."""

    event_id: str
    at_ms: int
    subject_id: str
    unit_id: str
    version: int
    reason: str
    variant: str
    expected: str | None
    cause: Cause
    likely: str
    given_by: tuple[int, ...] = ()


class ReplayedVersion(_Part, frozen=True, kw_only=True):
    """`is_altered`: what is stored is not what was signed. `after_revocation` counts exposures
    that were decided by it after it was revoked: clients that had not heard of that."""

    version: int
    exposures: int
    disagreed: int
    is_altered: bool
    revoked_at_ms: int | None
    after_revocation: int
    problem: str | None


class Replay(_Part, frozen=True, kw_only=True):
    """Every exposure either agreed, disagreed or was not checked. `disagreements` are the first
    ones, by unit; the counts are of all. `unreadable` files of the event log are left out, so
    that what they hold is in none of the counts."""

    project: str
    experiment: str
    experiment_id: str
    exposures: int
    units: int
    agreed: int
    disagreed: int
    causes: dict[Cause, int]
    not_checked: dict[NotChecked, int]
    versions: tuple[ReplayedVersion, ...]
    disagreements: tuple[Disagreement, ...]
    unreadable: tuple[str, ...]
