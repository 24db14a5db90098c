"""What could make the result of an experiment wrong."""

from typing import Final

from fairlot.http.management import Call, Outcome, read
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.examinations import Diagnosis, diagnosis_of
from fairlot.service.results.questions import Moment
from fairlot.store.experiments import find_experiment

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}/doctor"


def show(call: Call[None]) -> Outcome:
    services, tenant, key = call.services, call.tenant, call.path["key"]
    result = services.results.result(
        services.store,
        tenant,
        key,
        services.log_folder,
        Moment(call.now_ms),
        None,
    )
    with services.store.reading() as connection:
        row = find_experiment(connection, tenant.id, result.experiment)
    experiment_id = result.experiment if row is None else row.id
    project = f"{tenant.organization_key}/{tenant.key}"
    return Outcome(diagnosis_of(result, project, experiment_id))


ROUTES: Final = (
    read(
        _PATH,
        "What could make the result of an experiment wrong, and what to do",
        Scope.READ,
        show,
        {200: Answer("The findings, the worst first.", (Diagnosis,))},
        apart=True,
        errors=(409,),
    ),
)
