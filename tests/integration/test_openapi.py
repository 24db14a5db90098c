"""Every operation of openapi.json but the control plane's under generated requests, against a
running server."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from fairlot.http.registry import Auth
from fairlot.http.routes import ROUTES
from fairlot.service.actors import Scope
from support.commands import SHOP
from support.generated_requests import Case, Operation, name_known, operations_at, statuses_of
from support.postgres import DATABASES, new_database_for
from support.processes import ServerProcess, fairlot, published, serving

pytestmark = pytest.mark.slow

EXAMPLES = 40
EVERY_LABEL = {f"{route.method} {route.path}" for route in ROUTES}
LABELS = sorted(f"{route.method} {route.path}" for route in ROUTES if route.scope is None)
TOKEN_IN_BODY = frozenset(
    f"{route.method} {route.path}" for route in ROUTES if route.auth is Auth.TOKEN_IN_BODY
)
OPEN = frozenset(f"{route.method} {route.path}" for route in ROUTES if route.auth is Auth.NONE)
INGEST = {f"POST /api/v1/{name}" for name in ("track", "identify", "batch")}
FLAG = "POST /ofrep/v1/evaluate/flags/{key}"
PATHS = {"org": "default", "project": "default", "experiment_key": "free-delivery"}


@dataclass(frozen=True, slots=True)
class Shop:
    """`key` is an API key with all scopes, `source` a source token, `preview` a preview token."""

    server: ServerProcess
    token: str
    key: str
    source: str
    preview: str


@pytest.fixture(scope="module", params=DATABASES)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    data_dir = tmp_path_factory.mktemp("data")
    with new_database_for(request) as url:
        run = partial(fairlot, FAIRLOT_DATABASE_URL=url)
        token = published(data_dir, SHOP, FAIRLOT_DATABASE_URL=url)
        scopes = [word for scope in Scope for word in ("--scope", scope)]
        key = run("keys", "create", *scopes, "--data", str(data_dir))["key"]
        source = run("token", "create", "--kind", "source", "--data", str(data_dir))["token"]
        preview = run("preview", "free-delivery", "control", "--data", str(data_dir))["token"]
        with serving(data_dir, FAIRLOT_DATABASE_URL=url) as server:
            yield Shop(server, token, key, source, preview)


@pytest.fixture(scope="module")
def operations(shop: Shop) -> dict[str, Operation]:
    return operations_at(shop.server.url)


def test_openapi__operations__those_of_the_registry(operations: dict[str, Operation]) -> None:
    assert operations.keys() == EVERY_LABEL


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("known", [False, True], ids=["generated ids", "known ids"])
def test_openapi__generated_requests__no_undocumented_answer_and_no_5xx(
    shop: Shop, operations: dict[str, Operation], label: str, known: bool
) -> None:
    def prepare(case: Case) -> None:
        if not known:
            return
        name_known(case, PATHS | ({"key": "free-delivery"} if label == FLAG else {}))
        case.headers.pop("X-Fairlot-Project", None)
        credential = shop.preview if label.endswith("preview.json") else shop.key
        case.headers["Authorization"] = f"Bearer {credential}"
        if label in TOKEN_IN_BODY and isinstance(case.body, dict):
            case.body["token"] = shop.token
        if label in INGEST and isinstance(case.body, dict):
            case.body |= {"token": shop.source, "userId": "visitor-1", "time": None}

    statuses = statuses_of(operations[label], EXAMPLES, prepare)
    if known or ("{" not in label and label in OPEN):
        assert statuses & {200, 204, 207}
