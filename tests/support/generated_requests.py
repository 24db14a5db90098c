"""Requests that schemathesis generates from openapi.json, and the checks of their answers."""

from collections.abc import Callable
from typing import Any, TypeAlias

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
Operation = schemathesis.schemas.APIOperation[Any, Any, Any, Any]
Case: TypeAlias = "schemathesis.Case[Any]"
_PATIENCE_S = 60  # of a busy machine; no answer is timed


def operations_at(url: str) -> dict[str, Operation]:
    """Those that a server documents, by method and path."""
    # by its alias: schemathesis leaves out the operation that it has read the document from
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi")
    found = (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    return {operation.label: operation for operation in found}


def statuses_of(operation: Operation, examples: int, prepare: Callable[[Case], None]) -> set[int]:
    """Of so many generated requests, each changed by `prepare`. Every answer must be documented,
    and none a 5xx."""
    statuses: set[int] = set()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        prepare(case)
        answer = case.call_and_validate(checks=CHECKS, timeout=_PATIENCE_S)
        statuses.add(answer.status_code)

    ask()
    return statuses


def name_known(case: Case, known: dict[str, str]) -> None:
    """Put the known values into the path, and leave the others as they were generated."""
    generated = case.path_parameters or {}
    case.path_parameters = {name: known.get(name, value) for name, value in generated.items()}
