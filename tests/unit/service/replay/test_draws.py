"""What many units draw at once is what the engine draws for each, at the edges of ranges too."""

from itertools import count
from typing import Final

from fairlot.engine import Context, Manifest, bucket_of, compile_manifest, decide
from fairlot.engine.model import Audience
from fairlot.service.replay.draws import draws_of
from support.shop_log import arms, experiment

RATE: Final = 7_000
FIRST: Final = 2_500


def at_bucket(purpose: str, wanted: int) -> str:
    return next(u for n in count() if bucket_of("e", purpose, u := f"u{n}") == wanted)


def test_draws__first_and_last_bucket_of_each_range__are_the_engines() -> None:
    drawn_by = experiment(
        "e", variants=arms(FIRST, 10_000 - FIRST), audience=Audience(sample_rate_bp=RATE)
    )
    manifest = Manifest("default", "default", 1, "", (drawn_by,))
    units = [at_bucket("variant", each) for each in (0, FIRST - 1, FIRST, 9_999)]
    units += [at_bucket("sample", each) for each in (0, RATE - 1, RATE)]
    draws = draws_of(manifest, "e")
    assert draws is not None
    found = draws.drawn(units)
    assert [each.variant for each in found[:4]] == ["a", "a", "b", "b"]
    assert [each.is_sampled for each in found[4:]] == [True, True, False]
    compiled = compile_manifest(manifest)
    for unit, each in zip(units, found, strict=True):
        decided = decide(compiled, "e", unit, Context()).variant
        assert each.answer == (None if decided is None else decided.key)
