"""What could make the result of an experiment wrong."""

from pathlib import Path
from typing import Final

from fairlot.http.management import Call, Outcome, read
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.examinations import Diagnosis

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}/doctor"
_NO_LOG: Final = Path("no-event-log")  # is not there, so it holds nothing


def show(call: Call[None]) -> Outcome:
    # Imported here: numpy, scipy and DuckDB, which decisions do without.
    from fairlot.service.doctor.asking import examine_stored

    found = examine_stored(
        call.connection,
        call.tenant,
        call.path["key"],
        call.services.events_dir or _NO_LOG,
        now_ms=call.now_ms,
    )
    return Outcome(found)


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
