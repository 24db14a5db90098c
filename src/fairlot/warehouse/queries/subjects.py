"""Who was exposed: one row for each subject, from its first exposure and from all of them.

The first exposure is the least of one number, `key`: the time since the start, then the phase, then
the variant, then whether it was `sticky`. The rest of a subject's exposures is a set of bits. Two
integers a subject is what ten million of them can be grouped into within two gigabytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Final

import ibis
from ibis.expr.types import IntegerValue, Table

from fairlot.stats.sufficient import Exclusion, Question
from fairlot.warehouse.queries.steps import Steps, without

MAX_VARIANTS: Final = 255
MAX_PHASES: Final = 1024
CODES: Final = MAX_VARIANTS + 1
_STICKY: Final = 2  # the lowest bit of a key: whether the exposure was sticky
IN_KEY: Final = _STICKY * CODES * MAX_PHASES
_PUBLIC_KEY: Final = 2**43  # in milliseconds, some 280 years: after all that is no public exposure

ANALYSED: Final = 0
NOT_HUMAN: Final = 9
STATUSES: Final = {
    1: Exclusion.EXCLUDED_ON_LOGIN,
    2: Exclusion.SWITCHED,
    3: Exclusion.SEVERAL_VARIANTS,
    4: Exclusion.OTHER_REASON,
    5: Exclusion.PUBLIC,
}
"""What `status` says; of several the first. Of unknown variants only the phase can tell."""
_STATUS_OF: Final = {exclusion: number for number, exclusion in STATUSES.items()}

_OTHER_REASON, _SWITCHED, _LEFT = 1, 2, 4
_FLAGS: Final = 8
_VARIANTS_PER_MASK: Final = 56
COUNTED_REASONS: Final = ("bucket", "sticky")
_RULES: Final = "personalization"  # the source of what rules activated


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of all phases, by number. One more number stands for those that are unknown."""

    keys: tuple[str, ...]

    @property
    def unknown(self) -> int:
        return len(self.keys)

    @property
    def masks(self) -> int:
        return self.unknown // _VARIANTS_PER_MASK + 1

    def key(self, number: int) -> str:
        return self.keys[number] if number < self.unknown else ""

    def seen(self, masks: Sequence[int]) -> tuple[str, ...]:
        numbers = range(self.unknown + 1)
        return tuple(self.key(each) for each in numbers if masks[_mask(each)] & _bit(each))


def _mask(number: int) -> int:
    return number // _VARIANTS_PER_MASK


def _bit(number: int) -> int:
    return _FLAGS << number % _VARIANTS_PER_MASK


def variants_of(question: Question) -> Variants:
    arms = (arm.variant_key for phase in question.phases for arm in phase.arms)
    return Variants(tuple(dict.fromkeys(arms)))


def exposed_subjects(exposures: Table, question: Question, steps: Steps) -> Table:
    """`subject` and a hash of it, `identity`; of its first exposure `key`, `sender` and, if asked
    for, `segment`; of all of them `mask0`... `decoded` tells what `key` says."""
    coded = _coded(exposures, question)
    if question.segment_by is not None:
        coded = steps.step("coded", coded)
    masks = [name for name in coded.columns if name.startswith("mask")]
    firsts = coded.group_by("subject").agg(
        key=coded.key.min(),
        sender=coded.sender.argmin(coded.key),
        **{name: coded[name].bit_or() for name in masks},
    )
    firsts = steps.step("firsts", firsts)
    if question.segment_by is not None:
        firsts = steps.step("segmented", _with_segment(firsts, coded))
    return steps.hashed("subjects", firsts, "subject", "identity")


def _coded(exposures: Table, question: Question) -> Table:
    """The exposures with their numbers; those of bots and staff have no key."""
    variants = variants_of(question)
    rows = exposures.mutate(
        number=_number(exposures, variants),
        is_human=exposures.actor == "human",
        is_public=exposures.trust == "public",
    )
    since_ms = rows.ms - question.started_at_ms + ibis.ifelse(rows.is_public, _PUBLIC_KEY, 0)
    code = (_phase(rows, question) * CODES + rows.number) * _STICKY + _is_sticky(rows)
    counts = rows.is_human & ~rows.is_public
    flags = _flags(rows, question)
    masks = {
        f"mask{mask}": ibis.ifelse(counts, _bits(rows.number, mask, variants, flags), 0)
        for mask in range(variants.masks)
    }
    key = ibis.ifelse(rows.is_human, since_ms * IN_KEY + code, ibis.null("int64"))
    kept = ["subject", "sender", *(["segment"] if "segment" in rows.columns else [])]
    return rows.select(*kept, key=key, **masks)


def _number(exposures: Table, variants: Variants) -> IntegerValue:
    cases = [(exposures.variant == key, number) for number, key in enumerate(variants.keys)]
    unknown = ibis.literal(variants.unknown)
    return ibis.cases(*cases, else_=unknown).cast("int64") if cases else unknown.cast("int64")


def _phase(rows: Table, question: Question) -> IntegerValue:
    *earlier, last = sorted(question.phases, key=lambda phase: phase.first_version)
    cases = [(rows.version < phase.end_version, phase.number) for phase in earlier]
    if not cases:
        return ibis.literal(last.number).cast("int64")
    return ibis.cases(*cases, else_=last.number).cast("int64")


def _is_sticky(rows: Table) -> IntegerValue:
    """1 of one that was drawn at another moment, by shares that nobody knows; what rules activated
    is drawn by the rules."""
    return ibis.ifelse((rows.reason == "sticky") & (rows.source.fill_null("") != _RULES), 1, 0)


def _flags(rows: Table, question: Question) -> IntegerValue:
    reasons = [*COUNTED_REASONS, *(["adapter"] if question.adapter_is_randomised else [])]
    counts = rows.reason.isin(reasons) | ((rows.source == _RULES) & (rows.reason != "divert"))
    return (
        ibis.ifelse(counts, 0, _OTHER_REASON)
        + ibis.ifelse(rows.switched.fill_null("") == "true", _SWITCHED, 0)
        + ibis.ifelse(rows.left_by_login.fill_null("") == "true", _LEFT, 0)
    )


def _bits(number: IntegerValue, mask: int, variants: Variants, flags: IntegerValue) -> IntegerValue:
    numbers = [each for each in range(variants.unknown + 1) if _mask(each) == mask]
    cases = [(number == each, ibis.literal(_bit(each), "int64")) for each in numbers]
    bits = ibis.cases(*cases, else_=ibis.literal(0, "int64"))
    return bits + flags if mask == 0 else bits


def decoded(rows: Table) -> Table:
    """With what `key` says: `rel` (milliseconds since the start), `phase` and `variant`."""
    code = rows.key % IN_KEY
    split = rows.mutate(code=code, since_ms=((rows.key - code) / IN_KEY).cast("int64"))
    places = ((split.code - split.code % _STICKY) / _STICKY).cast("int64")
    variant = places % CODES
    is_public = split.since_ms >= _PUBLIC_KEY
    told = split.mutate(
        variant=variant,
        phase=((places - variant) / CODES).cast("int64"),
        rel=split.since_ms - ibis.ifelse(is_public, _PUBLIC_KEY, 0),
    )
    return without(told, "code", "since_ms")


def status_of(subjects: Table) -> IntegerValue:
    """ANALYSED, or why not."""
    masks = [name for name in subjects.columns if name.startswith("mask")]
    flags = subjects.mask0
    several = _several(
        [subjects[name] - (flags % _FLAGS if name == "mask0" else 0) for name in masks]
    )
    return ibis.cases(
        (subjects.key.isnull(), NOT_HUMAN),
        (subjects.key >= _PUBLIC_KEY * IN_KEY, _STATUS_OF[Exclusion.PUBLIC]),
        ((flags & _LEFT) != 0, _STATUS_OF[Exclusion.EXCLUDED_ON_LOGIN]),
        ((flags & _SWITCHED) != 0, _STATUS_OF[Exclusion.SWITCHED]),
        (several, _STATUS_OF[Exclusion.SEVERAL_VARIANTS]),
        (
            ((flags & _OTHER_REASON) != 0) | (subjects.key % _STICKY == 1),
            _STATUS_OF[Exclusion.OTHER_REASON],
        ),
        else_=ANALYSED,
    )


def _several(bits: Sequence[IntegerValue]) -> ibis.expr.types.BooleanValue:
    """Whether more than one bit is set among all of them."""
    doubled = reduce(or_, [(each & (each - 1)) != 0 for each in bits])
    if len(bits) == 1:
        return doubled
    return doubled | (sum(ibis.ifelse(each != 0, 1, 0) for each in bits) > 1)


def _with_segment(firsts: Table, coded: Table) -> Table:
    """Of two first exposures at the same moment the lesser value counts; `=` stands before all
    values, so that none and an empty one are two."""
    found = firsts.select(of="subject", first="key").inner_join(
        coded.select("subject", "key", "segment"), [("of", "subject"), ("first", "key")]
    )
    segments = found.group_by("of").agg(found=found.segment.min())
    joined = firsts.left_join(segments, [("subject", "of")])
    value = ibis.ifelse(joined.found.isnull(), "", ibis.literal("=") + joined.found)
    return without(joined.mutate(segment=value), "found", "of")
