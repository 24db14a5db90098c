"""Which changes deal anew: subjects change that no change of a weight or a rate asks for."""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction

from fairlot.service.moves.deals import Deal, Side
from fairlot.service.moves.shares import arm_shares, joint
from fairlot.service.plan_document import Reshuffle, ReshuffleKind

_SENTENCES = {
    ReshuffleKind.VARIANT_ORDER: (
        "The variants stand in another order: they own buckets in the order of the file, so"
        " subjects change variant although no weight asks for it."
    ),
    ReshuffleKind.VARIANT_RANGES: (
        "The buckets of the variants shift: more subjects change variant than the new weights"
        " need. A variant that is added at the end, or takes from its neighbour, moves the fewest."
    ),
    ReshuffleKind.LAYER_RANGE: (
        "The layer range moves: those in the buckets that are given up leave, and others enter."
    ),
    ReshuffleKind.LAYER: (
        "The experiment moves to another layer, which draws anew who is in its range."
    ),
    ReshuffleKind.LAYER_SALT: (
        "The layer has a new salt, which draws anew who is in which of its ranges."
    ),
    ReshuffleKind.HOLDOUT_SALT: "The holdout has a new salt, which draws anew who is held out.",
    ReshuffleKind.SALT: (
        "The experiment has a new salt, which draws anew who is sampled and who gets what."
    ),
    ReshuffleKind.UNIT: "Another id is hashed, so everything is drawn anew.",
}


def reshuffles_of(before: Side, after: Side) -> tuple[Reshuffle, ...]:
    """None when nothing but weights, rates and the audience differ, or where nobody would move."""
    if before.deal.unit is not after.deal.unit:
        kinds = [ReshuffleKind.UNIT]
    else:
        kinds = [*_of_variants(before.deal, after.deal), *_of_gates(before, after)]
    return tuple(Reshuffle(kind=kind, sentence=_SENTENCES[kind]) for kind in kinds)


def _of_variants(before: Deal, after: Deal) -> Iterator[ReshuffleKind]:
    if before.diverted is not None or after.diverted is not None:
        return
    if before.salt != after.salt:
        yield ReshuffleKind.SALT
    elif _moves_more_than_needed(before, after):
        reordered = _shared_order(before, after) != _shared_order(after, before)
        yield ReshuffleKind.VARIANT_ORDER if reordered else ReshuffleKind.VARIANT_RANGES


def _moves_more_than_needed(before: Deal, after: Deal) -> bool:
    """Whether more is moved than the variants that lose weight have to give."""
    lost: defaultdict[str, Fraction] = defaultdict(Fraction)
    moved = Fraction(0)
    for (first, second), share in arm_shares(before, after).items():
        lost[first] += share
        lost[second] -= share
        moved += share if first != second else 0
    return moved > sum(share for share in lost.values() if share > 0)


def _shared_order(deal: Deal, other: Deal) -> list[str]:
    known = {arm.variant for arm in other.arms if arm.end > arm.start}
    return [arm.variant for arm in deal.arms if arm.variant in known and arm.end > arm.start]


def _of_gates(before: Side, after: Side) -> Iterator[ReshuffleKind]:
    held, held_after = before.deal.held_out, after.deal.held_out
    if held is not None and held_after is not None and held.draw != held_after.draw:
        yield ReshuffleKind.HOLDOUT_SALT
    layer, layer_after = before.deal.layer, after.deal.layer
    if layer is None or layer_after is None:
        return
    if layer.draw == layer_after.draw:
        passing = joint(layer, layer_after)
        if passing.only_first and passing.only_second:
            yield ReshuffleKind.LAYER_RANGE
    elif _layer_key(before) == _layer_key(after):
        yield ReshuffleKind.LAYER_SALT
    else:
        yield ReshuffleKind.LAYER


def _layer_key(side: Side) -> str | None:
    return None if side.experiment.layer is None else side.experiment.layer.key
