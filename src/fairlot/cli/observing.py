"""The recorded subjects of an experiment, read from the data directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fairlot.cli.data import existing_store
from fairlot.cli.output import print_left_out

if TYPE_CHECKING:
    from fairlot.service.planning import Observed
    from fairlot.service.results.questions import Study
    from fairlot.warehouse.lake import Lake


def observed(
    data_dir: str | None, org: str, project: str, experiment: str, metric: str | None, now_ms: int
) -> "tuple[Study, Observed]":
    from fairlot.service.access import existing_project
    from fairlot.service.planning import observe
    from fairlot.service.results.questions import Moment, study_of

    with existing_store(data_dir) as (settings, store):
        with store.reading() as connection:
            tenant = existing_project(connection, org, project)
            study = study_of(connection, tenant, experiment, Moment(now_ms))
        with _noted_lake(settings.events_dir, tenant.id) as lake:
            return study, observe(lake, study, metric)


def arrivals(data_dir: str | None, org: str, project: str, now_ms: int) -> tuple[int, ...]:
    """New subjects of the whole log, by day."""
    from fairlot.service.access import existing_project
    from fairlot.service.planning import arrivals_of_log

    with existing_store(data_dir) as (settings, store):
        with store.reading() as connection:
            tenant = existing_project(connection, org, project)
        with _noted_lake(settings.events_dir, tenant.id) as lake:
            return arrivals_of_log(lake, tenant.time_zone, now_ms)


@contextmanager
def _noted_lake(events_dir: Path, project_id: str) -> "Iterator[Lake]":
    """With a line for each file that is left out."""
    from fairlot.warehouse.lake import open_lake

    with open_lake(events_dir, project_id) as lake:
        for each in lake.unreadable:
            print_left_out(each.path)
        yield lake
