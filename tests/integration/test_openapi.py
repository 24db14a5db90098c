"""Every operation of openapi.json under generated requests, against a running server."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
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

from fairlot.http.routes import ROUTES
from fairlot.service.actors import Scope
from support.commands import SHOP
from support.processes import ServerProcess, fairlot, published, serving

pytestmark = pytest.mark.slow

EXAMPLES = 40
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = {f"{route.method} {route.path}": route for route in ROUTES}
Operation = schemathesis.schemas.APIOperation[Any, Any, Any, Any]
TOKEN_IN_BODY = "POST /api/v1/experiments/assignments/{experiment_key}"
SIGN_PREVIEW = "POST /api/v1/orgs/{org}/preview/sign"
PREVIEWED: dict[str, Any] = {"experimentKey": "free-delivery", "variantKey": "control"}
PATHS = {"org": "default", "project": "default", "experiment_key": "free-delivery"}


@dataclass(frozen=True, slots=True)
class Shop:
    """`key` is an API key with all scopes, `preview` a preview token."""

    server: ServerProcess
    token: str
    key: str
    preview: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data_dir = tmp_path_factory.mktemp("data")
    token = published(data_dir, SHOP)
    scopes = [word for scope in Scope for word in ("--scope", scope)]
    key = fairlot("keys", "create", *scopes, "--data", str(data_dir))["key"]
    words = (*PREVIEWED.values(), "--data", str(data_dir))
    preview = fairlot("preview", *words)["token"]
    with serving(data_dir) as server:
        yield Shop(server, token, key, preview)


@pytest.fixture(scope="module")
def operations(shop: Shop) -> dict[str, Operation]:
    schema = schemathesis.openapi.from_url(f"{shop.server.url}/api/v1/openapi")
    found = (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    return {operation.label: operation for operation in found}


def test_openapi__operations__those_of_the_registry(
    operations: dict[str, Operation],
) -> None:
    assert operations.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("label", sorted(OPERATIONS))
@pytest.mark.parametrize("known", [False, True], ids=["generated ids", "known ids"])
def test_openapi__generated_requests__no_undocumented_answer_and_no_5xx(
    shop: Shop,
    operations: dict[str, Operation],
    label: str,
    known: bool,
) -> None:
    operation = operations[label]
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy())
        if known:
            generated = case.path_parameters or {}
            case.path_parameters = {name: PATHS.get(name, generated[name]) for name in generated}
            credential = shop.preview if label.endswith("preview.json") else shop.key
            case.headers["Authorization"] = f"Bearer {credential}"
            if label == SIGN_PREVIEW:
                case.body = PREVIEWED
            if label == TOKEN_IN_BODY and isinstance(case.body, dict):
                case.body["token"] = shop.token
        statuses.append(case.call_and_validate(checks=CHECKS).status_code)

    ask()
    if OPERATIONS[label].scope is None and (known or "{" not in label):
        assert 200 in statuses
