"""What experiments did, and the looks that are kept of them.

Asking fixes the plan, and keeps caps and looks: the GETs of a key that may only read write these.
"""

from datetime import date, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec

from fairlot.http.api.experiments import NOUN
from fairlot.http.api.nouns import check, there
from fairlot.http.management import Call, Outcome, read, write
from fairlot.http.management.instants import written
from fairlot.http.problems import invalid_fields
from fairlot.http.registry import Answer, Route
from fairlot.http.texts import Sentence
from fairlot.manifest.instants import read_instant, write_instant
from fairlot.service.actors import Scope
from fairlot.service.results.dropping import drop_looks
from fairlot.service.results.engines import ResultEngine, engine_named
from fairlot.service.results.errors import UnknownMetric
from fairlot.service.results.questions import Moment
from fairlot.stats.closes import end_of_day_ms
from fairlot.stats.findings import Finding, FindingCode
from fairlot.stats.metrics import MetricKind
from fairlot.stats.results import ArmValue, ExperimentResult, MetricResult

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}"
AsOf = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=40,
        description="A day, up to its end in the project's time zone, as in `2026-11-28`; or an"
        " RFC 3339 instant. Now without it.",
    ),
]


class ResultQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`segment` splits by `device`, `source` or `properties.` and the name of a property of the
    first exposure; then there is no verdict. `engine` is `duckdb`, which reads the event log, or
    `postgres`, the warehouse that the server is set to."""

    as_of: AsOf | None = None
    segment: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    engine: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] = "duckdb"


class AggregateQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the first metric of the experiment without `metric`."""

    metric: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    as_of: AsOf | None = None


class AggregateRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`exposures` are subjects that are analysed, `subjects` those of them that the metric counts,
    `conversions` those whose total is not 0, and `sum` is of all totals; null where totals are not
    added up."""

    variant: str
    is_control: bool
    exposures: int
    subjects: int
    conversions: int
    value: float | None
    sum: float | None


class Aggregate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Totals of one metric, one row for each variant. What `unreadableFiles` of the event log hold
    is left out; the result names them."""

    experiment: str
    metric: str
    name: str
    kind: MetricKind
    as_of_ms: int
    variants: tuple[AggregateRow, ...]
    unreadable_files: int


class DropLooks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reason is on record, and in each later result."""

    reason: Sentence


class LooksDropped(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many `looks`, and the metrics whose `caps` were dropped with them."""

    experiment: str
    looks: int
    caps: tuple[str, ...]
    at: str


def show(call: Call[ResultQuery]) -> Outcome:
    asked = call.asked
    return Outcome(_result(call, asked.as_of, asked.segment, engine_named(asked.engine)))


def aggregate(call: Call[AggregateQuery]) -> Outcome:
    result = _result(call, call.asked.as_of, None)
    found = {metric.key: metric for metric in result.metrics}
    metric = found.get(call.asked.metric or next(iter(found), ""))
    if metric is None:
        raise UnknownMetric(result.experiment, call.asked.metric, found)
    return Outcome(
        Aggregate(
            experiment=result.experiment,
            metric=metric.key,
            name=metric.name,
            kind=metric.kind,
            as_of_ms=result.as_of_ms,
            variants=_rows(result, metric),
            unreadable_files=unreadable_files(result.findings),
        )
    )


def drop(call: Call[DropLooks]) -> Outcome:
    check(NOUN, call, there(NOUN, call))
    dropped = drop_looks(
        call.connection,
        call.tenant,
        call.path["key"],
        call.asked.reason,
        actor=call.actor,
        now_ms=call.now_ms,
    )
    return Outcome(
        LooksDropped(
            experiment=call.path["key"],
            looks=dropped.looks,
            caps=tuple(sorted(dropped.caps)),
            at=written(dropped.at_ms),
        )
    )


def _result(
    call: Call[ResultQuery] | Call[AggregateQuery],
    as_of: str | None,
    segment: str | None,
    engine: ResultEngine = ResultEngine.DUCKDB,
) -> ExperimentResult:
    as_of_ms = None if as_of is None else moment_of(as_of, call.tenant.time_zone, call.now_ms)
    moment = Moment(call.now_ms, as_of_ms)
    services = call.services
    return services.results.result(
        services.store,
        call.tenant,
        call.path["key"],
        services.log_folder,
        moment,
        segment,
        engine,
    )


def moment_of(text: str, time_zone: str, now_ms: int) -> int:
    """Of an `AsOf`. The end of today is to come, and is now; what else is to come is refused."""
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone)).date()
    try:
        day = date.fromisoformat(text)
        ms = end_of_day_ms(day, ZoneInfo(time_zone))
    except (ValueError, OverflowError):
        ms = _instant(text, today)
        is_to_come = ms > now_ms
    else:
        is_to_come = day > today
    if is_to_come:
        now = write_instant(now_ms)
        raise invalid_fields(f"as_of: {text!r}: is yet to come; it is {now} now")
    return ms


def _instant(text: str, today: date) -> int:
    try:
        return read_instant(text)
    except ValueError as error:
        raise invalid_fields(
            f"as_of: {text!r}: write a day, as in {today.isoformat()}, or {error}"
        ) from None


def _rows(result: ExperimentResult, metric: MetricResult) -> tuple[AggregateRow, ...]:
    values = {arm.variant: arm for arm in metric.arms}
    return tuple(
        AggregateRow(
            variant=arm.variant,
            is_control=arm.is_control,
            exposures=arm.exposed,
            subjects=values[arm.variant].n,
            conversions=values[arm.variant].converted,
            value=values[arm.variant].value,
            sum=total_of(values[arm.variant], metric),
        )
        for arm in result.arms
    )


def unreadable_files(findings: tuple[Finding, ...]) -> int:
    """The evidence of that finding has one entry a file."""
    return sum(len(each.evidence) for each in findings if each.code is FindingCode.UNREADABLE_FILE)


def total_of(arm: ArmValue, metric: MetricResult) -> float | None:
    """What is counted is whole, but for a cap that is not."""
    is_counted = metric.kind is not MetricKind.SUM and float(metric.cap or 0).is_integer()
    return arm.total if arm.total is None or not is_counted else float(round(arm.total))


ROUTES: Final[tuple[Route, ...]] = (
    read(
        f"{_PATH}/results",
        "What an experiment did: the verdict, its numbers, and what is wrong with them",
        Scope.READ,
        show,
        {200: Answer("The result.", (ExperimentResult,))},
        query=ResultQuery,
        apart=True,
        errors=(409,),
    ),
    read(
        f"{_PATH}/aggregate",
        "The totals of one metric, by variant",
        Scope.READ,
        aggregate,
        {200: Answer("One row for each variant.", (Aggregate,))},
        query=AggregateQuery,
        apart=True,
        errors=(409,),
    ),
    write(
        "POST",
        f"{_PATH}/drop-looks",
        "Drop the stored looks and caps of an experiment whose data were incomplete",
        Scope.WRITE,
        drop,
        {200: Answer("They are made anew with the next result, which says so.", (LooksDropped,))},
        request=DropLooks,
        conditional=True,
        errors=(409,),
    ),
)
