"""The recorded subjects of an experiment, read from the data directory."""

from typing import TYPE_CHECKING

from fairlot.cli.data import existing_store

if TYPE_CHECKING:
    from fairlot.service.planning import Observed
    from fairlot.service.results.questions import Study


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
        return study, observe(settings.events_dir, study, metric)


def arrivals(data_dir: str | None, org: str, project: str, now_ms: int) -> tuple[int, ...]:
    """New subjects of the whole log, by day."""
    from fairlot.service.access import existing_project
    from fairlot.service.planning import arrivals_of_log

    with existing_store(data_dir) as (settings, store):
        with store.reading() as connection:
            tenant = existing_project(connection, org, project)
        return arrivals_of_log(settings.events_dir, tenant.id, tenant.time_zone, now_ms)
