"""Experiments for the doctor: healthy ones, and what can be done to them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import psycopg

from fairlot.engine import Reason
from fairlot.events import Conversion, Exposure, event_columns
from fairlot.service.doctor import Circumstances, examine
from fairlot.service.doctor.case import NOTHING_KNOWN
from fairlot.stats.findings import Finding
from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind, Role, Winsorisation
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase, Question
from fairlot.warehouse.queries import DuckDbEngine, PostgresEngine, answer
from support.event_tables import COLUMNS, Events
from support.planted import planted

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_790_000_000_000
DAYS = 14
BOUGHT = Metric(
    key="bought",
    name="Bought",
    kind=MetricKind.CONVERSION,
    numerator=EventTotal("purchase", Aggregate.ANY),
    role=Role.PRIMARY,
)
SPENT = Metric(
    key="spent",
    name="Spent",
    kind=MetricKind.SUM,
    numerator=EventTotal("purchase", Aggregate.SUM),
    winsorisation=Winsorisation(quantile=0.999),
)
EVEN = (Arm("a", True, 0.5), Arm("b", False, 0.5))
QUESTION = Question(
    project_id="prj_1",
    experiment_id="exp_1",
    experiment_key="e",
    phases=(Phase(1, 0, ANY_VERSION, EVEN),),
    metrics=(BOUGHT, SPENT),
    started_at_ms=START_MS,
    as_of_ms=START_MS + 30 * DAY_MS,
)


@dataclass
class Patient:
    """A subject and what it did."""

    subject: str
    variant: str
    at_ms: int
    device: str
    bought_at_ms: list[int]
    exposed: dict[str, Any] = field(default_factory=dict)
    """Columns of its exposures that are other than usual."""
    also: list[tuple[str, int]] = field(default_factory=list)
    """Further exposures: variant, and when."""
    bought: dict[str, Any] = field(default_factory=dict)
    viewed_at_ms: list[int] = field(default_factory=list)
    viewed: dict[str, Any] = field(default_factory=dict)


def patients(
    seed: int, count: int = 3_000, rates: tuple[float, float] = (0.2, 0.22)
) -> list[Patient]:
    """Half in each variant; some bought before, some after. Visits begin with the exposure."""
    draw = random.Random(seed)  # noqa: S311 - the same subjects each time
    made = []
    for number in range(count):
        variant = draw.choice("ab")
        at_ms = START_MS + draw.randrange(DAYS * DAY_MS)
        bought = []
        if draw.random() < rates[variant == "b"]:
            bought.append(at_ms + draw.randrange(60_000, 3 * DAY_MS))
        if draw.random() < 0.1:
            bought.append(at_ms - draw.randrange(DAY_MS, 10 * DAY_MS))
        device = draw.choice(["desktop", "mobile"])
        made.append(Patient(f"s{seed}-{number}", variant, at_ms, device, bought))
    return made


def exposures_of(patient: Patient) -> Iterator[Exposure]:
    shown = [(patient.variant, patient.at_ms), *patient.also]
    for number, (variant, at_ms) in enumerate(shown):
        usual = Exposure(
            event_id=f"x-{patient.subject}-{number}",
            project_id="prj_1",
            experiment_id="exp_1",
            experiment_key="e",
            subject_id=patient.subject,
            unit_id=patient.subject,
            variant_key=variant,
            variant_id=f"var_{variant}",
            manifest_version=1,
            hash_version=1,
            reason=Reason.BUCKET,
            occurred_at_ms=at_ms,
            received_at_ms=at_ms,
            device=patient.device,
            source="assignments",
        )
        yield replaced(usual, patient.exposed)


def conversions_of(patient: Patient) -> Iterator[Conversion]:
    for number, at_ms in enumerate(patient.bought_at_ms):
        usual = _done(patient, f"c-{number}", "purchase", at_ms, 20.0 + number)
        yield replaced(usual, patient.bought)
    for number, at_ms in enumerate(patient.viewed_at_ms):
        yield replaced(_done(patient, f"v-{number}", "page_view", at_ms), patient.viewed)


def _done(
    patient: Patient, event_id: str, name: str, at_ms: int, value: float | None = None
) -> Conversion:
    return Conversion(
        event_id=f"{event_id}-{patient.subject}",
        project_id="prj_1",
        subject_id=patient.subject,
        event_name=name,
        value=value,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        source="track",
    )


def replaced(event: Any, fields: dict[str, Any]) -> Any:
    return msgspec.structs.replace(event, **fields)


@contextmanager
def engine_of(found: list[Patient]) -> Iterator[DuckDbEngine]:
    exposures = [each for patient in found for each in exposures_of(patient)]
    conversions = [each for patient in found for each in conversions_of(patient)]
    with planted(exposures, conversions) as connection:
        yield DuckDbEngine(connection)


def examined(
    found: list[Patient], circumstances: Circumstances = NOTHING_KNOWN, **fields: Any
) -> tuple[Finding, ...]:
    question = replace(QUESTION, **fields)
    with engine_of(found) as engine:
        return examine(engine, question, answer(engine, question), circumstances)


def in_postgres(found: list[Patient], connection: psycopg.Connection[Any]) -> PostgresEngine:
    """The same, under the columns that queries name."""
    events = Events()
    for patient in found:
        for shown in exposures_of(patient):
            events.rows["exposures"].append(_row("exposures", event_columns(shown)))
        for done in conversions_of(patient):
            events.rows["conversions"].append(_row("conversions", event_columns(done)))
    return events.in_postgres(connection)


def _row(table: str, columns: dict[str, Any]) -> dict[str, Any]:
    row = {name: columns[name] for name in COLUMNS[table]}
    if row["properties"] is not None:
        row["properties"] = msgspec.json.encode(row["properties"]).decode()
    return row
