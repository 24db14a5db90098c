"""The result of an experiment, from the events of a lake to the verdict."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from shutil import rmtree
from threading import Thread

import msgspec
import pytest
from sqlalchemy import Connection, delete

from fairlot.engine import Reason
from fairlot.events import Event
from fairlot.manifest.instants import write_instant
from fairlot.service.actions import Asked, act
from fairlot.service.bootstrap import bootstrap
from fairlot.service.lifecycle import Action
from fairlot.service.results import record as record_module
from fairlot.service.results.errors import MOST_SEGMENTS, TooManySegments
from fairlot.service.results.fixed import FixedAnalysis, stored_looks
from fairlot.service.results.fixing import analysis_of, fix
from fairlot.service.results.questions import Moment, Study, study_of
from fairlot.service.results.record import Keeping, Record
from fairlot.service.results.resulting import result_of
from fairlot.service.results.sharing import Results, open_lake_source
from fairlot.stats.analysis import LookName
from fairlot.stats.findings import FindingCode, Severity
from fairlot.stats.results import ExperimentResult, Interval, Look, VerdictKind
from fairlot.stats.sufficient import View
from fairlot.store import Store
from fairlot.store.analyses import read_analysis
from fairlot.store.experiments import find_experiment
from fairlot.store.tables import looks as look_table
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.lake.joining import delete_old_files
from support.applying import ANNA, apply_texts, tenant_of
from support.tables import open_with_tables
from support.two_arms import DAY_MS, Place, arm, exposed
from unit.service.conftest import NOW_MS, Apply

METRICS = """metrics:
  - {key: bought, kind: conversion, eventName: order, window: 1d}
  - {key: revenue, kind: sum, eventName: order, window: 1d}
"""
HERO = f"key: hero\nname: Hero\n{METRICS}variants: [{{key: a, name: Old}}, {{key: b, name: New}}]\n"
GUARDRAIL = """metrics:
  - {key: slow, kind: mean, eventName: load, window: 1d, isGuardrail: true, margin: 1}
"""
FIRST_DAY_MS = NOW_MS - NOW_MS % DAY_MS + DAY_MS
"""The midnight after the start, UTC."""
FIRST_DAY = datetime.fromtimestamp(FIRST_DAY_MS / 1000, UTC).date()


class Bench:
    """The experiment `hero`, and its events."""

    def __init__(self, store: Store, events_dir: Path) -> None:
        self.store = store
        self.events_dir = events_dir
        with store.reading() as connection:
            self.tenant = tenant_of(connection)
            row = find_experiment(connection, self.tenant.id, "hero")
        assert row is not None
        self.place = Place(self.tenant.id, row.id)

    def plant(self, events: Iterable[Event]) -> None:
        write_events(self.events_dir, events)

    def arms(self, a: tuple[int, int], b: tuple[int, int], days: int = 10) -> None:
        """Subjects and buyers."""
        planted = partial(arm, place=self.place, start_ms=FIRST_DAY_MS, days=days)
        self.plant([*planted("a", *a), *planted("b", *b)])

    def result(
        self, days: float = 30, *, key: str = "hero", segment_by: str | None = None
    ) -> ExperimentResult:
        """As of so many days after the first midnight."""
        moment = Moment(int(FIRST_DAY_MS + days * DAY_MS))
        opening = partial(open_lake_source, self.events_dir)
        found = result_of(self.store, self.tenant, key, opening, moment, segment_by=segment_by)
        assert b"NaN" not in msgspec.json.encode(found)
        return found

    def study(self) -> Study:
        with self.store.reading() as connection:
            moment = Moment(FIRST_DAY_MS + 30 * DAY_MS)
            return study_of(connection, self.tenant, "hero", moment)

    def fixed(self) -> FixedAnalysis:
        return analysis_of(self.store, self.study())

    def record(self) -> Record:
        return Record(self.store, self.study(), Keeping.ALL, self.fixed().dropped)

    def looks(self) -> dict[LookName, tuple[Look, ...]]:
        """Those that are stored."""
        record = self.record()
        return record.looks(record.kept())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """On SQLite: what differs between databases is a test of its own."""
    with closing(open_with_tables(tmp_path, "a secret of the operator", None)) as store:
        bootstrap(store, now_ms=NOW_MS)
        apply_texts(store, HERO, now_ms=NOW_MS)
        yield Bench(store, tmp_path / "events")


def codes(result: ExperimentResult) -> set[FindingCode]:
    return {each.code for each in result.findings}


def test_result__clear_difference__is_a_winner_with_looks_that_stay(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    result = bench.result()
    verdict = result.verdict
    assert (verdict.kind, verdict.variant, verdict.metric) == (VerdictKind.WINNER, "b", "bought")
    assert (result.view, result.engine, result.phases) == (View.MATURED, "duckdb", 1)
    assert [(each.variant, each.name, each.exposed) for each in result.arms] == [
        ("a", "Old", 1_000),
        ("b", "New", 1_000),
    ]
    assert result.srm is not None
    assert result.srm.p == 1.0
    bought, revenue = result.metrics
    assert [(arm.value, arm.converted) for arm in bought.arms] == [(0.4, 400), (0.6, 600)]
    assert [arm.value for arm in revenue.arms] == [2.0, 3.0]
    looks = bought.comparisons[0].looks
    # 100 subjects of each arm came every day, and the day after their last window ends.
    assert [look.n for look in looks] == [200 * day for day in range(1, 11)]
    assert bench.looks()["bought", "b"] == tuple(
        msgspec.structs.replace(look, running=None) for look in looks
    )
    # What is learnt later changes the present interval, and no look.
    bench.arms((500, 500), (500, 0), days=5)
    later = bench.result()
    again = later.metrics[0].comparisons[0]
    assert (again.n_control, again.looks) == (1_000, looks)
    assert FindingCode.EVENTS_GONE not in codes(later)


def test_result__of_every_other_kind__has_its_value(bench: Bench) -> None:
    """Each buyer orders once for 5, so every order is worth 5, and an order per buyer is 1."""
    orders = "eventName: order, window: 1d"
    metrics = f"""metrics:
  - {{key: mean, kind: mean, {orders}}}
  - {{key: large, kind: sum, {orders}, where: {{value: {{$gt: 5}}}}}}
  - {{key: top, kind: quantile, quantile: 0.9, {orders}}}
  - key: ratio
    kind: ratio
    window: 1d
    numerator: {{eventName: order, aggregate: sum}}
    denominator: {{eventName: order, aggregate: any}}
"""
    apply_texts(bench.store, HERO.replace(METRICS, metrics), now_ms=NOW_MS + 1)
    bench.arms((200, 80), (200, 120))
    values = {each.key: [arm.value for arm in each.arms] for each in bench.result().metrics}
    assert values["mean"] == pytest.approx([5.0, 5.0])
    assert values["ratio"] == pytest.approx([5.0, 5.0])
    assert values["large"] == [0.0, 0.0]
    # Within a cell of the grid, which is 1.1 % wide.
    assert values["top"] == pytest.approx([5.0, 5.0], rel=0.011)


def test_result__asked_as_of_a_day__sees_only_the_looks_of_then(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    last = bench.result().metrics[0].comparisons[0].looks
    earlier = bench.result(days=5).metrics[0].comparisons[0]
    assert earlier.looks == last[:4]
    assert earlier.n_control == 400


def test_result__asked_as_of_before_the_first_look__adds_none(bench: Bench) -> None:
    """The first closes were gated, and would not be with what came late."""
    bench.arms((300, 120), (300, 180))
    then = bench.result().metrics[0].comparisons[0].looks
    stored = bench.looks()
    late = partial(exposed, at_ms=FIRST_DAY_MS + 2_000, place=bench.place)
    bench.plant(late(f"late-{key}-{number}", key) for key in "ab" for number in range(100))
    for days in (2.5, 3.5, 5, 9):
        looks = bench.result(days).metrics[0].comparisons[0].looks
        assert looks == tuple(each for each in then if (each.day - FIRST_DAY).days + 1 <= days)
    assert bench.looks() == stored
    assert bench.result().metrics[0].comparisons[0].looks == then


@pytest.mark.parametrize(
    "plan", ["", "analysis: {method: group_sequential, plannedSize: 600, looks: 4}\n"]
)
def test_result__asked_as_of_the_past_at_first__has_the_looks_that_asking_now_takes(
    bench: Bench, plan: str
) -> None:
    apply_texts(bench.store, HERO + plan, now_ms=NOW_MS + 1)
    bench.arms((300, 120), (300, 180))
    for days in (6, 3, 8.5):
        bench.result(days)
    asked = bench.result().metrics
    with bench.store.writing() as connection:
        connection.execute(delete(look_table))
    assert bench.result().metrics == asked
    assert len(asked[0].comparisons[0].looks) > 3


def test_result__analysis_changed_after_it_was_seen__stays_as_it_was(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    assert bench.result().alpha == 0.05
    changed = HERO.replace("kind: sum,", "kind: sum, isPrimary: true,")
    apply_texts(bench.store, f"{changed}analysis: {{alpha: 0.4}}\n", now_ms=NOW_MS + 1)
    again = bench.result()
    assert again.alpha == 0.05
    assert [each.role for each in again.metrics] == ["primary", "secondary"]
    (noted,) = again.findings
    assert (noted.code, noted.severity) == (FindingCode.PLAN_CHANGED, Severity.NOTES)
    assert "the analysis and the primary metrics" in noted.summary
    assert again.verdict.kind is VerdictKind.WINNER


@pytest.mark.parametrize("metrics", ["", GUARDRAIL])
def test_result__without_a_primary_metric__fixes_nothing(bench: Bench, metrics: str) -> None:
    """A report before the metrics are written, or with guardrails alone."""
    apply_texts(bench.store, HERO.replace(METRICS, metrics), now_ms=NOW_MS + 1)
    bench.arms((300, 120), (300, 180))
    assert bench.result().verdict.kind is not VerdictKind.WINNER
    with bench.store.reading() as connection:
        assert read_analysis(connection, bench.place.experiment) is None
    assert bench.looks() == {}
    apply_texts(bench.store, f"{HERO}analysis: {{alpha: 0.04}}\n", now_ms=NOW_MS + 2)
    later = bench.result()
    assert (later.verdict.kind, later.alpha, later.findings) == (VerdictKind.WINNER, 0.04, ())
    assert [each.role for each in later.metrics] == ["primary", "secondary"]


def test_result__stored_looks__are_read_once_and_again_when_new_ones_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(connection: Connection, experiment_id: str) -> object:
        read.append(experiment_id)
        return stored_looks(connection, experiment_id)

    monkeypatch.setattr(record_module, "stored_looks", counting)
    bench.arms((300, 120), (300, 180))
    bench.result()
    assert len(read) == 2
    bench.result()
    assert len(read) == 3


def test_result__before_anybody_is_exposed__fixes_nothing(bench: Bench) -> None:
    assert bench.result().verdict.reasons == ("no_exposures",)
    changed = HERO.replace("kind: sum,", "kind: sum, isPrimary: true,")
    apply_texts(bench.store, f"{changed}analysis: {{alpha: 0.04}}\n", now_ms=NOW_MS + 1)
    bench.arms((300, 120), (300, 180))
    later = bench.result()
    assert (later.alpha, later.findings) == (0.04, ())
    assert [each.role for each in later.metrics] == ["secondary", "primary"]


def test_result__variant_added_after_looks__tells_them_at_the_level_of_now(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    then = bench.result().metrics[0].comparisons[0]
    three = HERO.replace("{key: b, name: New}", "{key: b, name: New}, {key: c, name: Newer}")
    apply_texts(bench.store, three, now_ms=NOW_MS + 1)
    bench.plant(arm("c", 300, 150, bench.place, start_ms=FIRST_DAY_MS, days=10))
    again = bench.result()
    now = again.metrics[0].comparisons[0]
    assert [(each.day, each.n, each.estimate) for each in now.looks] == [
        (each.day, each.n, each.estimate) for each in then.looks
    ]
    assert {each.alpha for each in then.looks} == {then.alpha} == {0.05}
    assert {each.alpha for each in now.looks} == {now.alpha} == {0.025}
    for look, before in zip(now.looks, then.looks, strict=True):
        assert look.interval.low < before.interval.low
        assert look.interval.high > before.interval.high
    (noted,) = [each for each in again.findings if each.code is FindingCode.VARIANTS_ADDED]
    assert noted.evidence == {"comparisonsThen": 1, "comparisonsNow": 2}
    assert "at 0.025 now, those of earlier looks too, which were at 0.05" in noted.summary
    # What is stored stays: told at its own level, it is as it was.
    stored = bench.looks()["bought", "b"]
    assert stored == tuple(msgspec.structs.replace(each, running=None) for each in then.looks)


def test_result__variant_removed_in_mid_run__says_that_this_is_why_it_is_blocked(
    bench: Bench,
) -> None:
    """Every other subject of c comes back, and is drawn anew."""
    three = HERO.replace("{key: b, name: New}", "{key: b, name: New}, {key: c, name: Newer}")
    with_c = apply_texts(bench.store, three, now_ms=NOW_MS + 1).version
    without_c = apply_texts(bench.store, HERO, now_ms=NOW_MS + 2).version
    assert with_c is not None and without_c is not None
    show = partial(exposed, place=bench.place)
    shown: list[Event] = []
    for number in range(400):
        at_ms = FIRST_DAY_MS + number * 1_000
        shown += (show(f"{key}-{number}", key, at_ms, version=with_c) for key in "abc")
        if number % 2:
            again_ms = at_ms + DAY_MS
            variant = "ab"[number % 4 // 2]
            shown.append(show(f"c-{number}", variant, again_ms, version=without_c))
    bench.plant(shown)
    result = bench.result()
    assert result.verdict.kind is VerdictKind.BLOCKED
    told = {each.code: each for each in result.findings}
    for code in (FindingCode.SAMPLE_RATIO_MISMATCH, FindingCode.EXCLUSIONS_DIFFER):
        assert (
            f"c was removed in version {without_c}, and 200 of its subjects" in told[code].summary
        )
        assert told[code].evidence["removed"] == {"c": without_c}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bought, kind: conversion, eventName: order", "bought, kind: conversion, eventName: pay"),
        ("bought, kind: conversion,", "bought, kind: count,"),
        ("bought, kind: conversion,", "bought, kind: conversion, direction: decrease,"),
        ("order, window: 1d}\n  - {key: revenue", "order, window: 2d}\n  - {key: revenue"),
    ],
)
def test_result__primary_defined_anew_after_looks__is_blocked_without_them(
    bench: Bench, before: str, after: str
) -> None:
    bench.arms((300, 120), (300, 180))  # From the fourth day on there are 100 in each arm.
    assert bench.result().findings == ()
    apply_texts(bench.store, HERO.replace(before, after), now_ms=NOW_MS + 1)
    again = bench.result()
    assert "metric_changed" in again.verdict.reasons
    assert again.metrics[0].comparisons == () or again.metrics[0].comparisons[0].looks == ()
    assert FindingCode.EVENTS_GONE not in codes(again)
    apply_texts(bench.store, HERO, now_ms=NOW_MS + 2)
    back = bench.result()
    assert (back.findings, len(back.metrics[0].comparisons[0].looks)) == ((), 7)


def test_result__metric_of_another_name_and_limit__keeps_its_looks(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    bench.result()
    named = HERO.replace("{key: bought,", "{key: bought, name: Buyers, minimumEffect: 0.05,")
    apply_texts(bench.store, named, now_ms=NOW_MS + 1)
    again = bench.result()
    assert (again.findings, len(again.metrics[0].comparisons[0].looks)) == ((), 7)


def test_result__primary_with_another_key__is_blocked(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    bench.result()
    renamed = HERO.replace("key: bought", "key: buyers")
    apply_texts(bench.store, renamed, now_ms=NOW_MS + 1)
    assert bench.result().verdict.reasons == ("primary_gone",)


def test_cap__of_the_first_seven_days__is_final_when_they_have_matured(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    early = bench.result(days=5)
    assert early.metrics[1].cap == 5.0
    assert (bench.fixed().caps, early.metrics[1].comparisons[0].looks) == ({}, ())
    assert bench.result(days=9).metrics[1].comparisons[0].looks != ()
    assert bench.fixed().caps == {"revenue": 5.0}


def test_fixing__of_two_at_once__is_that_of_the_first(
    store: Store, apply: Apply, tmp_path: Path
) -> None:
    apply(HERO)
    bench = Bench(store, tmp_path / "events")
    name = ("bought", "b")

    def keep(estimate: float) -> None:
        fix(bench.store, bench.study(), bench.fixed(), NOW_MS)
        interval = Interval(low=estimate, high=estimate + 1)
        day = date(2026, 11, 24)
        look = Look(day=day, n=9, estimate=estimate, interval=interval, p=0.5)
        bench.record().keep({name: [look]}, NOW_MS)

    threads = [Thread(target=keep, args=(float(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = bench.looks()[name]
    assert kept.interval.low == kept.estimate
    keep(9.0)
    assert bench.looks()[name] == (kept,)


def test_result__without_exposures__is_blocked(bench: Bench) -> None:
    result = bench.result()
    assert (result.verdict.kind, result.verdict.reasons) == (VerdictKind.BLOCKED, ("no_exposures",))
    assert (result.srm, [each.exposed for each in result.arms]) == (None, [0, 0])


def test_result__under_100_in_an_arm__is_preliminary(bench: Bench) -> None:
    bench.arms((90, 40), (90, 50))
    result = bench.result(days=6)
    assert (result.view, result.verdict.kind) == (View.SO_FAR, VerdictKind.PRELIMINARY)
    assert FindingCode.PRELIMINARY in codes(result)
    # 9 a day came in six days; six of those days are seen of.
    assert [each.exposed for each in result.arms] == [54, 54]


def test_result__one_variant_seen__is_blocked(bench: Bench) -> None:
    bench.arms((300, 120), (0, 0))
    assert "variant_not_seen" in bench.result().verdict.reasons


def test_result__completed_and_rolled_out__is_as_of_its_end(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180), days=3)
    end_ms = FIRST_DAY_MS + 4 * DAY_MS
    for asked in (Asked(Action.COMPLETE), Asked(Action.ROLLOUT, variant="b")):
        with bench.store.writing() as connection:
            act(connection, bench.tenant, "hero", asked, actor=ANNA, now_ms=end_ms)
    bench.plant(
        exposed(f"a-{number}", "b", end_ms + 1, bench.place, reason=Reason.DIVERT)
        for number in range(300)
    )
    result = bench.result()
    assert result.as_of_ms == end_ms + DAY_MS
    assert [each.exposed for each in result.arms] == [300, 300]
    assert all(not each.excluded for each in result.arms)


def test_result__seen_in_both_variants__is_left_out_once_and_told_in_each(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    both = partial(exposed, at_ms=FIRST_DAY_MS + 2_000, place=bench.place)
    bench.plant(both(f"both-{number}", key) for key in "ab" for number in range(3))
    result = bench.result()
    assert result.excluded == {"several_variants": 3}
    assert [arm.excluded for arm in result.arms] == [{"several_variants": 3}] * 2
    assert [arm.exposed for arm in result.arms] == [300, 300]


def test_result__by_segment__has_a_row_each_and_no_verdict(bench: Bench) -> None:
    bench.arms((600, 240), (600, 360))
    result = bench.result(segment_by="device")
    assert [each.segment for each in result.metrics[0].comparisons] == ["desktop", "mobile"]
    assert result.verdict.kind is VerdictKind.BY_SEGMENT
    assert ("bought", "b") not in bench.looks()


def test_result__by_a_segment_of_many_values__is_refused(bench: Bench) -> None:
    bench.plant(
        exposed(f"a-{number}", "a", FIRST_DAY_MS, bench.place, device=f"device-{number}")
        for number in range(MOST_SEGMENTS + 1)
    )
    with pytest.raises(TooManySegments, match=r"'device': has 201 values; at most 200"):
        bench.result(segment_by="device")
    assert bench.result(segment_by="source").segment_by == "source"


def test_result__unreadable_file__is_named_and_left_out(bench: Bench) -> None:
    bench.arms((300, 120), (300, 180))
    broken = next(bench.events_dir.rglob("exposures/*/*.parquet"))
    broken.write_bytes(b"PAR1")
    result = bench.result()
    (found,) = [each for each in result.findings if each.code is FindingCode.UNREADABLE_FILE]
    assert found.summary.startswith("1 file of events cannot be read and is left out: ")
    assert broken.name in found.summary
    place = broken.relative_to(bench.events_dir).parts[1:]
    assert list(found.evidence) == ["/".join(place)]
    assert str(bench.events_dir) not in msgspec.json.encode(result).decode()
    assert 0 < sum(each.exposed for each in result.arms) < 600
    # What is incomplete has looks and caps, and none of them stays.
    assert result.metrics[0].comparisons[0].looks != ()
    assert (bench.looks(), bench.fixed().caps) == ({}, {})


def test_result__first_days_deleted_by_retention__is_blocked_and_says_what_is_gone(
    bench: Bench,
) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    assert delete_old_files(bench.events_dir, now_ms=FIRST_DAY_MS + 30 * DAY_MS, days=25) > 0
    result = bench.result()
    assert result.verdict.reasons == ("events_gone",)
    (found,) = [each for each in result.findings if each.code is FindingCode.EVENTS_GONE]
    # Five of ten days with 200 exposures each; the last of them came on the fifth.
    last = write_instant(FIRST_DAY_MS + 4 * DAY_MS + 1_000)
    assert found.evidence == {"exposures": 1_000, "last": last, "analysed": 1_000}
    assert bench.result(days=30, segment_by="device").verdict.reasons == ("events_gone",)


def test_result__started_after_the_deleted_days__is_as_before(bench: Bench) -> None:
    early = FIRST_DAY_MS - 20 * DAY_MS
    other = Place(bench.tenant.id, "exp_other")
    bench.plant(exposed(f"o-{number}", "a", early, other) for number in range(50))
    bench.plant(exposed(f"early-{number}", "a", early, bench.place) for number in range(5))
    bench.arms((1_000, 400), (1_000, 600))
    assert delete_old_files(bench.events_dir, now_ms=FIRST_DAY_MS + 30 * DAY_MS, days=40) == 2
    assert bench.result().findings == ()


def test_result__files_gone_that_a_look_had_counted__is_blocked(bench: Bench) -> None:
    bench.arms((1_000, 400), (1_000, 600))
    assert bench.result().findings == ()
    for folder in sorted(bench.events_dir.rglob("exposures/date=*"))[:4]:
        rmtree(folder)
    result = bench.result()
    assert result.verdict.reasons == ("events_gone",)
    (found,) = result.findings
    assert (found.evidence["subjectsThen"], found.evidence["subjectsNow"]) == (800, 0)
    assert found.evidence["share"] == 0.4


def test_result__asked_for_again_within_seconds__is_shared(bench: Bench) -> None:
    time = [100.0]
    results = Results(lambda: time[0])

    def n_exposed() -> int:
        moment = Moment(FIRST_DAY_MS + 30 * DAY_MS)
        found = results.result(bench.store, bench.tenant, "hero", bench.events_dir, moment, None)
        return sum(each.exposed for each in found.arms)

    bench.arms((100, 40), (100, 60))
    assert n_exposed() == 200
    bench.plant([exposed("late", "a", FIRST_DAY_MS, bench.place)])
    assert n_exposed() == 200
    time[0] += 11
    assert n_exposed() == 201
    results.close()


def test_result__of_the_holdout__keeps_no_looks(bench: Bench) -> None:
    apply_texts(
        bench.store,
        "kind: holdout\nkey: quiet\nname: Quiet\nrate: 0.5\n",
        "kind: metric\nkey: orders\nname: Orders\ntype: conversion\neventName: order\nwindow: 1d\n",
        now_ms=NOW_MS,
    )
    place = Place(bench.tenant.id, "holdout.quiet")
    planted = partial(arm, place=place, start_ms=FIRST_DAY_MS, days=3)
    bench.plant([*planted("held", 300, 120), *planted("open", 300, 180)])
    result = bench.result(key="holdout")
    assert [(each.variant, each.is_control) for each in result.arms] == [
        ("held", True),
        ("open", False),
    ]
    comparison = result.metrics[0].comparisons[0]
    assert comparison.estimate == pytest.approx(0.2)
    assert comparison.looks == ()
