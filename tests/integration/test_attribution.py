"""The rules of attribution, each by a case that is small enough to be computed by hand.

They run on DuckDB and on PostgreSQL, by `make test-spark` on Spark and by `make test-clickhouse` on
ClickHouse too.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fairlot.engine.conditions import compile_condition
from fairlot.stats.grids import upper_edge
from fairlot.stats.metrics import (
    Aggregate,
    EventTotal,
    Metric,
    MetricKind,
    Winsorisation,
)
from fairlot.stats.sufficient import ANY_VERSION, Excluded, Exclusion, View
from fairlot.warehouse.queries import DuckDbEngine, QueryFailed, answer, per_subject
from support.event_tables import (
    BOUGHT,
    BUY,
    DAY,
    HOUR,
    MINUTE,
    ORDERS,
    REVENUE,
    START,
    VALUE,
    Events,
    Plant,
    of_arm,
    orders_of,
    phase,
    question,
)

if TYPE_CHECKING:
    pass


def test_moments__two_arms__by_hand(plant: Plant) -> None:
    # control buys for 10 and 30, for 20, for nothing: totals 40, 20, 0; blue: 7
    events = (
        Events()
        .exposed("a", "control")
        .exposed("b", "control")
        .exposed("c", "control")
        .exposed("d", "blue")
        .did("a", BUY, MINUTE, 10)
        .did("a", BUY, DAY, 30)
        .did("b", BUY, DAY, 20)
        .did("d", BUY, DAY, 7)
    )
    found = answer(plant(events), question(BOUGHT, ORDERS, REVENUE, VALUE))
    control, blue = of_arm(found, "control"), of_arm(found, "blue")
    assert control.exposed == 3 and blue.exposed == 1
    revenue = control.metrics["revenue"].moments
    assert revenue.n == 3 and revenue.means == (20, 0, 1)
    assert revenue.products == (800, 0, 0, 0, 0, 0)  # deviations 20, 0, -20
    assert revenue.cubes == (0,)
    assert control.metrics["bought"].moments.means[0] == pytest.approx(2 / 3)
    assert control.metrics["bought"].converted == 2
    assert control.metrics["orders"].moments.means[0] == 1
    # of sums 40, 20, 0 and counts 2, 1, 0: deviations 20, 0, -20 and 1, 0, -1
    value = control.metrics["value"].moments
    assert value.means == (20, 1, 0, 0, 1)
    assert value.products == (800, 40, 0, 0, 0, 2, *[0] * 9)
    assert blue.metrics["revenue"].moments.means == (7, 0, 1)


def test_moments__skewed__third_powers_by_hand(plant: Plant) -> None:
    # totals 6, 0, 0: deviations 4, -2, -2; squares 16 + 4 + 4, cubes 64 - 8 - 8
    events = Events().exposed("a", "control").exposed("b", "control").exposed("c", "control")
    found = answer(plant(events.did("a", BUY, 0, 6)), question(REVENUE))
    moments = of_arm(found, "control").metrics["revenue"].moments
    assert (moments.products[0], moments.cubes) == (24, (48,))


def test_moments__values_of_1e12__nothing_cancels(plant: Plant) -> None:
    # deviations -1, 0, 1
    events = Events()
    for subject, value in (("a", 1e12), ("b", 1e12 + 1), ("c", 1e12 + 2)):
        events.exposed(subject, "control").did(subject, BUY, 0, value)
    found = answer(plant(events), question(REVENUE))
    moments = of_arm(found, "control").metrics["revenue"].moments
    assert (moments.means[0], moments.products[0], moments.cubes[0]) == (1e12 + 1, 2, 0)


def test_values__infinite_or_none__count_as_events_of_no_value(plant: Plant) -> None:
    events = Events().exposed("a", "control")
    for value in (float("inf"), float("-inf"), float("nan"), None, -3.0):
        events.did("a", BUY, MINUTE, value)
    found = of_arm(answer(plant(events), question(ORDERS, REVENUE)), "control")
    assert found.metrics["orders"].moments.means[0] == 5
    assert found.metrics["revenue"].moments.means[0] == -3


def test_window__its_edges__first_in_last_out(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control", HOUR)
        .did("a", BUY, HOUR - 1)
        .did("a", BUY, HOUR)
        .did("a", BUY, HOUR + 7 * DAY - 1)
        .did("a", BUY, HOUR + 7 * DAY)
    )
    assert orders_of(answer(plant(events), question(ORDERS))) == 2


def test_window__shorter_than_another__has_edges_of_its_own(plant: Plant) -> None:
    quick = replace(ORDERS, key="quick", window_ms=DAY)
    events = Events().exposed("a", "control", HOUR)
    for at_ms in (HOUR, HOUR + DAY - 1, HOUR + DAY, HOUR + 7 * DAY - 1):
        events = events.did("a", BUY, at_ms)
    metrics = of_arm(answer(plant(events), question(ORDERS, quick)), "control").metrics
    assert metrics["orders"].moments.means[0] == 4
    assert metrics["quick"].moments.means[0] == 2


def test_skew__up_to_5_s_of_another_sender__counts_at_the_exposure(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control", HOUR, sender_id="web")
        .did("a", BUY, HOUR - 5_000, sender_id="till")
        .did("a", BUY, HOUR - 5_001, sender_id="till")
        .did("a", BUY, HOUR - 1_000, sender_id="web")
        .did("a", "other", HOUR - 1_000, sender_id="till")
    )
    found = answer(plant(events), question(ORDERS))
    moments = of_arm(found, "control").metrics["orders"].moments
    assert moments.means == (1, 2, 0)  # the two others came before
    assert found.skewed == 1


def test_maturity__by_metric__until_its_window_is_over(plant: Plant) -> None:
    quick = replace(ORDERS, key="quick", window_ms=DAY)
    events = Events().exposed("a", "control").exposed("b", "control", 1).did("b", BUY, HOUR)
    asked = question(ORDERS, quick, as_of_ms=START + 7 * DAY)
    engine = plant(events)
    matured = of_arm(answer(engine, asked), "control")
    assert matured.exposed == 2
    assert (matured.metrics["orders"].moments.n, matured.metrics["quick"].moments.n) == (1, 2)
    assert matured.metrics["orders"].moments.means == (0, 0, 1)
    so_far = of_arm(answer(engine, replace(asked, view=View.SO_FAR)), "control")
    assert so_far.metrics["orders"].moments.n == 2


def test_phases__by_manifest_version__of_the_first_exposure(plant: Plant) -> None:
    phases = (phase(0, 1, 5, "control", "blue"), phase(1, 5, ANY_VERSION, "control", "green"))
    events = (
        Events()
        .exposed("a", "control", manifest_version=4)
        .exposed("a", "control", DAY, manifest_version=5)
        .exposed("b", "control", manifest_version=5)
        .exposed("c", "blue", manifest_version=4)
        .exposed("d", "blue", manifest_version=6)
    )
    found = answer(plant(events), question(phases=phases))
    counted = {(row.phase, row.variant_key, row.exposed) for row in found.rows}
    assert counted == {(0, "control", 1), (1, "control", 1), (0, "blue", 1)}
    assert found.excluded == (Excluded(1, "blue", Exclusion.UNKNOWN_VARIANT, 1),)


def test_days__where_clocks_go_forward__are_those_of_the_project(plant: Plant) -> None:
    # Berlin's 29 March 2026 has 23 hours: from 23:00 UTC of the 28th until 22:00 UTC
    events = Events()
    for number, moment in enumerate(("28T22:59", "28T23:00", "29T21:59", "29T22:00")):
        at = int(datetime.fromisoformat(f"2026-03-{moment}").replace(tzinfo=UTC).timestamp())
        events.exposed(f"s{number}", "control", at * 1000 - START)
    found = answer(plant(events), question(time_zone="Europe/Berlin"))
    days = sorted((row.day.isoformat(), row.exposed) for row in found.rows)
    assert days == [("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1)]


def test_covariates__14_days_before__and_who_has_no_history(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control", HOUR)
        .did("a", BUY, HOUR - 14 * DAY, 5)
        .did("a", BUY, HOUR - 14 * DAY - 1, 100)
        .did("a", BUY, DAY, 7)
        .exposed("b", "control", HOUR)
        .did("b", "other", 0)
        .exposed("c", "control", HOUR)
        .did("c", BUY, HOUR, 9)
        .exposed("d", "control", HOUR)
    )
    moments = of_arm(answer(plant(events), question(REVENUE)), "control").metrics["revenue"].moments
    # after 7, 0, 9, 0; before 5, 0, 0, 0; no history 0, 0, 1, 1
    assert moments.means == (4, 1.25, 0.5)
    # e.g. of after and before: 3 * 3.75 + 4 * 1.25 - 5 * 1.25 + 4 * 1.25
    assert moments.products == (66, 15, 1, 18.75, -2.5, 1)


def test_caps__the_quantile_of_all_subjects__cuts_and_counts(plant: Plant) -> None:
    capped = replace(REVENUE, winsorisation=Winsorisation(quantile=0.8))
    fixed = replace(REVENUE, key="fixed", winsorisation=Winsorisation(cap=15))
    rare = replace(REVENUE, key="rare", winsorisation=Winsorisation(quantile=0.5))
    events = Events()
    for number, value in enumerate((10, 20, 30, 40)):
        events.exposed(f"s{number}", "control").did(f"s{number}", BUY, HOUR, value)
    for number in range(4, 10):
        events.exposed(f"s{number}", "control")
    events.exposed("late", "control", 7 * DAY).did("late", BUY, 7 * DAY, 1000)
    found = answer(plant(events), question(capped, fixed, rare))
    # of 0 (six times), 10, 20, 30, 40 four fifths are 20 or less; half are 0, so nothing is cut
    assert found.caps == {"revenue": 20, "fixed": 15}
    first, last = sorted(found.rows, key=lambda row: row.day)
    cut = first.metrics["revenue"]
    assert (cut.moments.means[0], cut.capped, cut.converted) == (7, 2, 4)
    assert (first.metrics["fixed"].moments.means[0], first.metrics["fixed"].capped) == (5.5, 3)
    assert first.metrics["rare"].moments.means[0] == 10
    assert last.metrics["revenue"].moments.means[0] == 20


def test_caps__stored__are_taken(plant: Plant) -> None:
    capped = replace(REVENUE, winsorisation=Winsorisation(quantile=0.8))
    events = Events().exposed("a", "control").did("a", BUY, HOUR, 100)
    found = answer(plant(events), question(capped, caps={"revenue": 60.0}))
    assert found.caps == {"revenue": 60}
    assert of_arm(found, "control").metrics["revenue"].moments.means[0] == 60


def test_quantiles__totals__are_counted_in_cells(plant: Plant) -> None:
    typical = Metric("m", "M", MetricKind.QUANTILE, REVENUE.numerator, quantile=0.5)
    other = Metric("o", "O", MetricKind.QUANTILE, ORDERS.numerator, quantile=0.5)
    events = Events().exposed("d", "control")
    for subject, value in (("a", 8), ("b", 8.01), ("c", -0.5)):
        events.exposed(subject, "control").did(subject, BUY, HOUR, value)
    found = of_arm(answer(plant(events), question(typical, other)), "control")
    # log2 of 8 is 3, of 0.5 -1
    assert found.grids["m"].counts == {upper_edge(-1, -64): 1, 0: 1, upper_edge(1, 192): 2}
    assert found.grids["o"].counts == {0: 1, upper_edge(1, 0): 3}
    assert found.metrics["m"].moments.n == 4


def test_segments__of_the_first_exposure__split_the_groups(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control", device="phone", properties={"plan": {"name": "free"}})
        .exposed("a", "control", DAY, device="desktop")
        .exposed("b", "control", device="desktop", properties={"plan": {"name": ""}})
        .exposed("c", "control")
        .did("b", BUY, HOUR)
    )
    engine = plant(events)
    by_device = answer(engine, question(ORDERS, segment_by="device"))
    found = {row.segment: row.metrics["orders"].moments.means[0] for row in by_device.rows}
    assert found == {"phone": 0, "desktop": 1, None: 0}
    by_plan = answer(engine, question(segment_by="properties.plan.name"))
    assert {row.segment for row in by_plan.rows} == {"free", "", None}


def test_bounds__of_time_project_and_experiment__leave_out_the_rest(plant: Plant) -> None:
    events = (
        Events()
        .exposed("early", "control", -1)
        .exposed("a", "control", 0)
        .exposed("other", "control", 0, experiment_id="exp_2")
        .exposed("no id", "blue", 0, experiment_id="")
        .exposed("other key", "control", 0, experiment_id="", experiment_key="hero")
        .exposed("foreign", "control", 0, project_id="prj_2")
        .exposed("ended", "control", 5 * DAY)
        .did("a", BUY, 6 * DAY)
        .did("a", BUY, 6 * DAY + 1)
        .did("a", BUY, DAY, project_id="prj_2")
        .linked("a", "foreign", project_id="prj_2")
    )
    asked = question(
        ORDERS, ended_at_ms=START + 5 * DAY, as_of_ms=START + 6 * DAY + 1, view=View.SO_FAR
    )
    found = answer(plant(events), asked)
    assert (of_arm(found, "control").exposed, orders_of(found)) == (1, 1)
    assert of_arm(found, "blue").exposed == 1


def test_names__with_quotes_and_backslashes__are_texts(plant: Plant) -> None:
    name = "it's \"50\\%\" `off` \\' \u00e9"
    total = EventTotal(name, Aggregate.COUNT, {"a'b\\": {"$eq": name}})
    events = Events().exposed("a'; --", "control").did("a'; --", name, HOUR)
    events.did("a'; --", name, HOUR, properties={"a'b\\": name})
    found = answer(plant(events), question(replace(ORDERS, numerator=total)))
    assert orders_of(found) == 1


def test_exposures__none__no_groups(plant: Plant) -> None:
    capped = replace(REVENUE, winsorisation=Winsorisation(quantile=0.999))
    found = answer(plant(Events()), question(capped))
    assert (found.rows, found.excluded, found.caps, found.not_human) == ((), (), {}, 0)


def test_events__repeated__count_once_where_nobody_else_sees_to_it(plant: Plant) -> None:
    events = Events().exposed("a", "control")
    events.did("a", BUY, HOUR, event_id="x").did("a", BUY, HOUR, event_id="x")
    engine = plant(events)
    if isinstance(engine, DuckDbEngine):
        engine.may_repeat = True
    assert orders_of(answer(engine, question(ORDERS))) == 1


PROPERTIES: list[dict[str, Any] | None] = [
    None,
    {},
    {"p": None},
    {"p": True},
    {"p": False},
    {"p": "true"},
    {"p": 1},
    {"p": "1"},
    {"p": 1.5},
    {"p": -2},
    {"p": 1e3},
    {"p": ""},
    {"p": "a"},
    {"p": "B"},
    {"p": "\u00e9"},
    {"p": "\U0001f600"},
    {"p": "null"},
    {"p": {"q": "a"}},
    {"p": {"q": 3}, "value": 4},
    {"p": {"0": "x"}},
    {"value": "x"},
]
OPERANDS = (1, 1.5, -2, 0, "", "a", "1", "\uffff", True, False)
WHERE: list[dict[str, Any]] = [
    *({"p": operand} for operand in OPERANDS),
    *({"p": {name: operand}} for name in ("$eq", "$ne") for operand in (1, "a", True)),
    *(
        {"p": {name: operand}}
        for name in ("$lt", "$lte", "$gt", "$gte")
        for operand in (1, 1000, "a", "\uffff")
    ),
    {"p": {"$in": ["a", 1, True]}},
    {"p": {"$nin": ["a", 1]}},
    {"p": {"$in": []}},
    {"p": {"$exists": True}},
    {"p": {"$exists": False}},
    {"p.q": "a"},
    {"p.q": {"$gt": 2}},
    {"p.0": {"$exists": True}},
    {"value": {"$gte": 4}},
    {"value": {"$exists": False}},
    {"p": {"$gt": 0, "$lt": 2}},
    {"$or": [{"p": "a"}, {"p": 1}]},
    {"$and": [{"p": {"$gt": "A"}}, {"p": {"$lt": "a"}}]},
    {"$not": {"p": "a"}},
    {"$or": []},
    {"$and": []},
]


def test_where__every_operator__as_the_engine_has_it(plant: Plant) -> None:
    events = Events()
    for number, properties in enumerate(PROPERTIES):
        # one subject an event, told apart by the day of the exposure
        events.exposed(f"s{number}", "control", number * DAY)
        events.did(
            f"s{number}", BUY, number * DAY, 4 if number % 2 else None, properties=properties
        )
    totals = [EventTotal(BUY, Aggregate.ANY, where) for where in WHERE]
    metrics = [
        Metric(f"m{number}", "", MetricKind.CONVERSION, total)
        for number, total in enumerate(totals)
    ]
    found = per_subject(plant(events), question(*metrics))
    order = found.day.argsort()
    for metric, where in zip(metrics, WHERE, strict=True):
        holds = compile_condition(where)
        wanted = [
            holds(({"value": 4} if number % 2 else {}) | (properties or {}))
            for number, properties in enumerate(PROPERTIES)
        ]
        got = found.columns[metric.key][order, 0].tolist()
        assert got == wanted, where


NASTY = (
    'it\'s "a\\b"; DROP TABLE exposures; -- /* %s %(x)s $1 {0} `\n\t\u00e9\U0001f600 \\" \\\' *?[0]'
)
NAMES = (
    *(
        "it's",
        '"',
        'x" AS "y',
        "\\",
        "\\\\",
        '\\"',
        "`",
        ";",
        "--",
        "/*",
        "%",
        "%s",
        "$",
        "a$",
        "*",
    ),
    *("a b", "a[0]", "?", "#", "~1", "/x", "0", "\n", "\t", "\x01", "\u00e9", "\U0001f600"),
    *("kind", "Kind", "KIND", "n" * 400, "n" * 399 + "m", NASTY),
    'x" FROM conversions) SELECT 1; DROP TABLE exposures; WITH "q" AS (SELECT 1 AS "x',
)


@pytest.fixture
def askable(request: pytest.FixtureRequest) -> Callable[[str], bool]:
    """Whether the engine can ask for a property called so: the paths of Spark cannot hold both
    kinds of quotes, nor a question mark."""
    if "spark" not in request.node.callspec.id:
        return lambda _name: True
    return lambda name: not ({"'", '"'} <= set(name) or "?" in name)


def test_where__of_a_property_with_any_name__counts_that_property(
    plant: Plant, askable: Callable[[str], bool]
) -> None:
    nested = (f"a.{name}.{name}" for name in ("it's", 'b"c', "b\\c", "$", "%", "\n", NASTY))
    names = (name for name in NAMES if not name.startswith("$"))
    paths = [path for path in (*names, *nested) if askable(path)]
    events = Events()
    for number, written in enumerate(paths):
        properties: Any = NASTY
        for name in reversed(written.split(".")):
            properties = {name: properties, "other": 1}
        events.exposed(f"s{number}", "control", number * DAY)
        events.did(f"s{number}", BUY, number * DAY, properties=properties)
    metrics = [
        Metric(f"m{number}", "", MetricKind.CONVERSION, EventTotal(BUY, Aggregate.ANY, where))
        for number, where in enumerate({written: NASTY} for written in paths)
    ]
    found = per_subject(plant(events), question(*metrics))
    order = found.day.argsort()
    assert len(order) == len(paths)
    for number, metric in enumerate(metrics):
        (those,) = found.columns[metric.key][order, 0].nonzero()
        assert those.tolist() == [number], paths[number]


def test_where__of_a_name_that_the_engine_cannot_ask_for__fails(
    plant: Plant, askable: Callable[[str], bool]
) -> None:
    """It never counts another one."""
    where = EventTotal(BUY, Aggregate.ANY, {NASTY: 1})
    events = Events().exposed("a", "control").did("a", BUY, HOUR, properties={"other": 1})
    asked = question(replace(BOUGHT, numerator=where))
    if askable(NASTY):
        assert of_arm(answer(plant(events), asked), "control").metrics["bought"].converted == 0
    else:
        with pytest.raises(QueryFailed, match="INVALID_VARIANT_GET_PATH"):
            answer(plant(events), asked)


def test_question__with_any_text_for_an_id__counts_what_has_it(
    plant: Plant, askable: Callable[[str], bool]
) -> None:
    segment = NASTY if askable(NASTY) else NASTY.replace('"', "").replace("?", "")
    experiment: dict[str, Any] = {
        "experiment_id": NASTY,
        "experiment_key": NASTY,
        "project_id": NASTY,
    }
    events = Events()
    for subject, project in ((NASTY, NASTY), ("b", NASTY), (NASTY, "prj_1")):
        shown = {**experiment, "project_id": project, "properties": {segment: NASTY}}
        events.exposed(subject, NASTY, **shown)
    events.did(NASTY, NASTY, HOUR, project_id=NASTY).did("b", BUY, HOUR, project_id=NASTY)
    metric = replace(BOUGHT, numerator=EventTotal(NASTY, Aggregate.ANY))
    asked = {**experiment, "phases": (phase(0, 0, ANY_VERSION, "control", NASTY),)}
    found = answer(plant(events), question(metric, segment_by=f"properties.{segment}", **asked))
    row = of_arm(found, NASTY)
    assert (row.segment, row.exposed, row.metrics["bought"].converted) == (NASTY, 2, 1)
