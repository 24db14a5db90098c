"""The worked example of docs/explanation/plan.md is what Fairlot answers."""

import re
from pathlib import Path

from fairlot.cli.plan_text import plan_text
from fairlot.engine import (
    Audience,
    Context,
    Experiment,
    Manifest,
    Reason,
    bucket_of,
    compile_manifest,
    decide,
)
from fairlot.events import Assignment
from fairlot.service.effects import effects_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import FieldChange, PlanDocument
from fairlot.warehouse.log import EventLog
from support.plans import a_change, a_plan
from support.serving import a_variant
from support.shop_log import DAY_MS, NOW_MS, PROJECT_ID, closing_log, exposure_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "plan.md"
VISITORS = [f"visitor-{number}" for number in range(1, 1_001)]
WITH_A_CART = VISITORS[:400]
CART = {"cart.items": {"$gte": 1}}
CONTEXT = Context(attributes={"cart": {"items": 2}})


def shop(control: int, blue: int, sample_rate_bp: int) -> Manifest:
    welcome = Experiment(
        "welcome",
        "welcome",
        (a_variant("control", weight=control), a_variant("blue", weight=blue)),
        id="exp_welcome",
    )
    shipping = Experiment(
        "free-shipping",
        "free-shipping",
        (a_variant("control"), a_variant("free")),
        id="exp_free-shipping",
        audience=Audience(rule=CART, sample_rate_bp=sample_rate_bp),
    )
    return Manifest("acme", "shop", 1, "", (shipping, welcome))


BEFORE, AFTER = shop(5_000, 5_000, 5_000), shop(6_000, 4_000, 10_000)


def write_log(directory: Path) -> None:
    compiled = compile_manifest(BEFORE)
    at_ms = NOW_MS - DAY_MS
    with closing_log(EventLog.open(directory)) as log:
        for key, visitors in (("welcome", VISITORS), ("free-shipping", WITH_A_CART)):
            for visitor in visitors:
                variant = decide(compiled, key, visitor, CONTEXT).variant
                if variant is not None:
                    log.record(
                        exposure_of(key, visitor, variant.key, Reason.BUCKET, at_ms),
                        Assignment(f"exp_{key}", key, visitor, variant.key, 1, at_ms),
                    )


def planned(directory: Path) -> PlanDocument:
    known = KnownSubjects.of_last_days(directory, PROJECT_ID, NOW_MS)
    effects = effects_of(BEFORE, AFTER, known, now_ms=NOW_MS)
    return a_plan(
        a_change("free-shipping", FieldChange(path="audience.sampleRate", before=0.5, after=1)),
        a_change(
            "welcome",
            FieldChange(path="variants.control.weight", before=5_000, after=6_000),
            FieldChange(path="variants.blue.weight", before=5_000, after=4_000),
        ),
        effects=effects.effects,
        known=effects.known,
    )


def test_explanation__its_plan__is_what_is_printed(tmp_path: Path) -> None:
    write_log(tmp_path)
    block = re.search(r"```text\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    assert block[1] == plan_text(planned(tmp_path), width=88, colour=False)


def test_explanation__its_visitors__have_the_buckets_that_it_tells() -> None:
    page = PAGE.read_text()
    told = re.findall(r"`(visitor-\d+)` has bucket (\d+)", page)
    assert [visitor for visitor, _ in told] == ["visitor-10", "visitor-1"]
    for visitor, bucket in told:
        assert bucket_of("welcome", "variant", visitor) == int(bucket)
