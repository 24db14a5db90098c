"""What is wrong, or could be, with an experiment or its result."""

from enum import StrEnum
from typing import Any

import msgspec


class Severity(StrEnum):
    """`BLOCKS`: no verdict. `WARNS`: a verdict to be read with care. `NOTES`: to be known."""

    BLOCKS = "blocks"
    WARNS = "warns"
    NOTES = "notes"


class FindingCode(StrEnum):
    SAMPLE_RATIO_MISMATCH = "sample_ratio_mismatch"
    EXCLUSIONS_DIFFER = "exclusions_differ"
    SEVERAL_VARIANTS = "several_variants"
    SWITCHED = "switched"
    EXPOSURES_AFTER_CONVERSIONS = "exposures_after_conversions"
    MISSING_EXPOSURES = "missing_exposures"
    LOST_EVENTS = "lost_events"
    EVENTS_GONE = "events_gone"
    DUPLICATE_BATCHES = "duplicate_batches"
    CLOCK_SKEW = "clock_skew"
    WEIGHTS_CHANGED = "weights_changed"
    TOO_FEW_SUBJECTS = "too_few_subjects"
    NO_EXPOSURES = "no_exposures"
    VARIANT_NOT_SEEN = "variant_not_seen"
    METRIC_NOT_SEEN = "metric_not_seen"
    EXPOSURES_BEFORE_START = "exposures_before_start"
    SEGMENT_NOT_SEEN = "segment_not_seen"
    NOVELTY = "novelty"
    IMPLAUSIBLE_LIFT = "implausible_lift"
    ONE_SUBJECT_DOMINATES = "one_subject_dominates"
    PRELIMINARY = "preliminary"
    INTERVALS_DISAGREE = "intervals_disagree"
    LOOKS_OUTDATED = "looks_outdated"
    LOOKS_DROPPED = "looks_dropped"
    METRIC_CHANGED = "metric_changed"
    PRIMARY_GONE = "primary_gone"
    PLAN_CHANGED = "plan_changed"
    VARIANTS_ADDED = "variants_added"
    UNREADABLE_FILE = "unreadable_file"
    INVALID_VALUES = "invalid_values"
    PUBLIC_EVENTS = "public_events"
    NOT_CHECKED = "not_checked"


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`summary` is one sentence with its figures, `advice` what to do; `evidence` the figures."""

    code: FindingCode
    severity: Severity
    summary: str
    advice: str
    evidence: dict[str, Any] = {}
    metric: str | None = None
    variant: str | None = None
