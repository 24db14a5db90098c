"""Exact shares, against deciding with the engine for one id of every combination of buckets.

All ranges of these experiments begin and end at multiples of 2,500. So each draw has four cells,
equally likely, and one id of each combination of cells stands for all ids.
"""

from collections import Counter
from decimal import Decimal
from fractions import Fraction
from itertools import count
from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    Context,
    Experiment,
    Holdout,
    Layer,
    LayerRange,
    Manifest,
    Schedule,
    Status,
    Unit,
    bucket_of,
    compile_manifest,
    decide,
)
from fairlot.service.moves.deals import Deal, DrawKey, sides_of
from fairlot.service.moves.shares import Pair, changing_shares, exact_decimal
from support.shop_log import arms

CELL = 2_500
CELLS = 4
NOW_MS = 1_000_000
HOLDOUT = Holdout("main", "holdout.main", 2_500)


def one(holdout: Holdout | None = None, layer_salt: str = "layer.page", **fields: Any) -> Manifest:
    values = {"variants": arms(5_000, 5_000), **fields}
    experiment = Experiment("e", values.pop("salt", "e"), **values)
    layers = (Layer("page", layer_salt), Layer("other", "layer.other"))
    return Manifest("o", "p", 1, "", (experiment,), holdout, layers)


def sampled(rate_bp: int) -> Audience:
    return Audience(sample_rate_bp=rate_bp)


def in_page(start: int, end: int) -> LayerRange:
    return LayerRange("page", start, end)


NOTHING = Manifest("o", "p", 1, "", ())
CASES: dict[str, tuple[Manifest, Manifest]] = {
    "other weights": (one(), one(variants=arms(7_500, 2_500))),
    "swapped": (one(), one(variants=arms(5_000, 5_000)[::-1])),
    "a variant less": (one(variants=arms(2_500, 5_000, 2_500)), one(variants=arms(5_000, 5_000))),
    "a lower sample rate": (one(audience=sampled(7_500)), one(audience=sampled(2_500))),
    "a higher sample rate and other weights": (
        one(audience=sampled(2_500)),
        one(audience=sampled(7_500), variants=arms(2_500, 7_500)),
    ),
    "a layer range that moves": (one(layer=in_page(0, 5_000)), one(layer=in_page(2_500, 7_500))),
    "into a layer": (one(), one(layer=in_page(2_500, 7_500))),
    "another layer": (
        one(layer=in_page(0, 7_500)),
        one(layer=LayerRange("other", 0, 7_500)),
    ),
    "a new salt of the layer": (
        one(layer=in_page(0, 5_000)),
        one(layer=in_page(0, 5_000), layer_salt="afresh"),
    ),
    "a holdout": (one(), one(HOLDOUT)),
    "a larger holdout": (one(HOLDOUT), one(Holdout("main", "holdout.main", 7_500))),
    "a new salt of the holdout": (one(HOLDOUT), one(Holdout("main", "afresh", 2_500))),
    "a new salt": (one(audience=sampled(5_000)), one(audience=sampled(7_500), salt="afresh")),
    "a higher recipe rate": (
        one(variants=arms(5_000, 5_000, recipe_sample_rate_bp=2_500)),
        one(variants=arms(5_000, 5_000, recipe_sample_rate_bp=7_500)),
    ),
    "a recipe rate and other weights": (
        one(variants=arms(2_500, 7_500, recipe_sample_rate_bp=5_000)),
        one(variants=arms(7_500, 2_500, recipe_sample_rate_bp=7_500)),
    ),
    "a recipe rate and a new salt": (
        one(variants=arms(5_000, 5_000, recipe_sample_rate_bp=5_000)),
        one(variants=arms(5_000, 5_000, recipe_sample_rate_bp=7_500), salt="afresh"),
    ),
    "diverted": (one(HOLDOUT, audience=sampled(5_000)), one(HOLDOUT, divert_to="b")),
    "rolled out of a layer": (
        one(layer=in_page(0, 5_000), audience=sampled(5_000)),
        one(layer=in_page(0, 5_000), status=Status.COMPLETED, rollout="b"),
    ),
    "rolled out otherwise": (
        one(divert_to="a"),
        one(HOLDOUT, status=Status.COMPLETED, rollout="b"),
    ),
    "paused": (one(HOLDOUT, audience=sampled(5_000)), one(status=Status.PAUSED)),
    "resumed with other weights": (
        one(status=Status.PAUSED),
        one(HOLDOUT, variants=arms(7_500, 2_500)),
    ),
    "out of its schedule": (one(), one(schedule=Schedule(start_ms=NOW_MS + 1))),
    "created": (NOTHING, one(HOLDOUT, audience=sampled(2_500))),
    "deleted": (one(HOLDOUT, layer=in_page(0, 2_500)), NOTHING),
    "another unit": (one(), one(unit=Unit.ACCOUNT)),
    "everything": (
        one(HOLDOUT, layer=in_page(0, 5_000), audience=sampled(5_000), variants=arms(2_500, 7_500)),
        one(
            Holdout("main", "holdout.main", 5_000),
            layer=in_page(2_500, 10_000),
            audience=sampled(7_500),
            variants=arms(2_500, 2_500, 5_000, recipe_sample_rate_bp=5_000),
        ),
    ),
}


def deals_of(case: str) -> list[Deal | None]:
    sides = (sides_of(manifest, NOW_MS).get("e") for manifest in CASES[case])
    return [None if side is None else side.deal for side in sides]


def draws_of(deal: Deal) -> set[DrawKey]:
    gates = [*deal.gates, *(arm.served for arm in deal.arms)]
    return {deal.variant_draw, *(gate.draw for gate in gates if gate is not None)}


def ids_of_every_cell(draws: list[DrawKey]) -> list[dict[Unit, str]]:
    """A subject and an account for every combination of cells of the draws."""
    found: dict[tuple[int, ...], dict[Unit, str]] = {}
    for number in count():
        ids = {Unit.SUBJECT: f"s{number}", Unit.ACCOUNT: f"a{number}"}
        cells = tuple(bucket_of(draw.salt, draw.purpose, ids[draw.unit]) // CELL for draw in draws)
        found.setdefault(cells, ids)
        if len(found) == CELLS ** len(draws):
            return list(found.values())
    raise AssertionError("count has no end")


def shares_by_engine(case: str) -> dict[Pair, Fraction]:
    sides = [compile_manifest(manifest) for manifest in CASES[case]]
    draws = sorted(set().union(*(draws_of(deal) for deal in deals_of(case) if deal is not None)))
    everyone = ids_of_every_cell(draws)
    pairs: Counter[Pair] = Counter()
    for ids in everyone:
        context = Context(account_id=ids[Unit.ACCOUNT], now_ms=NOW_MS)
        answers = (decide(side, "e", ids[Unit.SUBJECT], context).variant for side in sides)
        before, after = (None if variant is None else variant.key for variant in answers)
        pairs[before, after] += before != after
    return {pair: Fraction(number, len(everyone)) for pair, number in pairs.items() if number}


@pytest.mark.parametrize("case", CASES)
def test_changing_shares__change__those_of_the_engine_over_all_buckets(case: str) -> None:
    before, after = deals_of(case)
    assert changing_shares(before, after) == shares_by_engine(case)


def test_changing_shares__three_even_arms_become_two__buckets_of_the_recipe() -> None:
    # RULES section 1: ends 3333, 6666, 10000 become 5000, 10000.
    three, two = arms(*[None] * 3), arms(*[None] * 2)
    before = sides_of(one(variants=three), NOW_MS)["e"].deal
    after = sides_of(one(variants=two), NOW_MS)["e"].deal
    assert changing_shares(before, after) == {
        ("b", "a"): Fraction(1_667, 10_000),
        ("c", "b"): Fraction(3_334, 10_000),
    }


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (Fraction(0), "0"),
        (Fraction(1), "1"),
        (Fraction(1, 8), "0.125"),
        (Fraction(9_999, 10_000) ** 3, "0.999700029999"),
        (Fraction(1, 10_000**9), "1E-36"),
    ],
)
def test_exact_decimal__share__all_of_its_digits(share: Fraction, expected: str) -> None:
    assert exact_decimal(share) == Decimal(expected)
