"""The exact share of ids whose answer changes when one deal follows another.

Draws with the same key see the same bucket, so their ranges are intersected; draws with different
keys are independent, so their shares are multiplied. The audience counts as matching, and nothing
as remembered.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import NamedTuple

from fairlot.engine.model import BUCKETS
from fairlot.service.moves.deals import Arm, Deal, Gate

Pair = tuple[str | None, str | None]

_NOBODY = Fraction(0)
_EVERYONE = Fraction(1)


class Joint(NamedTuple):
    """The shares that two gates let through: both of them, only the first, only the second."""

    both: Fraction
    only_first: Fraction
    only_second: Fraction


def changing_shares(before: Deal | None, after: Deal | None) -> dict[Pair, Fraction]:
    """Per (from, to) pair the share of all ids, without the pairs that change nothing.

    A deal that is None, or is not open, gives nobody a variant.
    """
    shares: defaultdict[Pair, Fraction] = defaultdict(Fraction)
    passing = _passing(before, after)
    if before is not None and after is not None:
        for pair, share in _dealt_by_both(before, after):
            shares[pair] += passing.both * share
    for variant, share in _dealt(before):
        shares[variant, None] += passing.only_first * share
    for variant, share in _dealt(after):
        shares[None, variant] += passing.only_second * share
    return {pair: share for pair, share in shares.items() if share and pair[0] != pair[1]}


def arm_shares(before: Deal, after: Deal) -> dict[tuple[str, str], Fraction]:
    """Of those who draw on both sides: the share that draws the one variant and then the other."""
    shares: defaultdict[tuple[str, str], Fraction] = defaultdict(Fraction)
    same_draw = before.variant_draw == after.variant_draw
    for first in before.arms:
        for second in after.arms:
            share = _overlap(first, second) if same_draw else _width(first) * _width(second)
            if share:
                shares[first.variant, second.variant] += share
    return shares


def exact_decimal(share: Fraction) -> Decimal:
    """The share in full; its denominator divides a power of 10, as all that bucket counts make."""
    places = 0
    while 10**places % share.denominator:
        places += 1
    digits = share.numerator * (10**places // share.denominator)
    return Decimal(f"{digits}e-{places}")


def joint(first: Gate | None, second: Gate | None) -> Joint:
    one, other = _let_through(first), _let_through(second)
    if first is not None and second is not None and first.draw == second.draw:
        both = _overlap(first, second)
    else:
        both = one * other
    return Joint(both, one - both, other - both)


def _passing(before: Deal | None, after: Deal | None) -> Joint:
    """How many reach a variant on both sides, on one only. Gates of different purposes are
    independent draws."""
    first, second = _share_passing(before), _share_passing(after)
    both = _NOBODY
    if before is not None and after is not None and first and second:
        both = prod(
            (joint(*gates).both for gates in zip(before.gates, after.gates, strict=True)),
            start=_EVERYONE,
        )
    return Joint(both, first - both, second - both)


def _share_passing(deal: Deal | None) -> Fraction:
    if deal is None or not deal.is_open:
        return _NOBODY
    return prod((_let_through(gate) for gate in deal.gates), start=_EVERYONE)


def _dealt_by_both(before: Deal, after: Deal) -> Iterator[tuple[Pair, Fraction]]:
    served_before, served_after = _served_gates(before), _served_gates(after)
    for (first, second), share in _picked_by_both(before, after).items():
        served = joint(served_before[first], served_after[second])
        yield (first, second), share * served.both
        yield (first, None), share * served.only_first
        yield (None, second), share * served.only_second


def _picked_by_both(before: Deal, after: Deal) -> Mapping[tuple[str, str], Fraction]:
    if before.diverted is None and after.diverted is None:
        return arm_shares(before, after)
    return {
        (first, second): one * other
        for first, one in _picked(before).items()
        for second, other in _picked(after).items()
    }


def _picked(deal: Deal) -> dict[str, Fraction]:
    """Before the variants' own gates."""
    if deal.diverted is not None:
        return {deal.diverted: _EVERYONE}
    return {arm.variant: _width(arm) for arm in deal.arms}


def _dealt(deal: Deal | None) -> Iterator[tuple[str, Fraction]]:
    if deal is not None:
        gates = _served_gates(deal)
        for variant, share in _picked(deal).items():
            yield variant, share * _let_through(gates[variant])


def _served_gates(deal: Deal) -> dict[str, Gate | None]:
    """What is diverted is served to all."""
    if deal.diverted is not None:
        return {deal.diverted: None}
    return {arm.variant: arm.served for arm in deal.arms}


def _let_through(gate: Gate | None) -> Fraction:
    return _EVERYONE if gate is None else _width(gate)


def _width(ranged: Gate | Arm) -> Fraction:
    return Fraction(ranged.end - ranged.start, BUCKETS)


def _overlap(first: Gate | Arm, second: Gate | Arm) -> Fraction:
    buckets = min(first.end, second.end) - max(first.start, second.start)
    return Fraction(max(0, buckets), BUCKETS)
