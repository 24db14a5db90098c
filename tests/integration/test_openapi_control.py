"""Every operation of the control plane under generated requests, with all rights and with none,
against a running server on either database."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

from fairlot.http.routes import ROUTES
from fairlot.service.actors import Scope
from support.commands import SHOP
from support.generated_requests import (
    CHECKS,
    Case,
    Operation,
    name_known,
    operations_at,
    statuses_of,
)
from support.postgres import DATABASES, new_database_for
from support.processes import ServerProcess, fairlot, published, serving

pytestmark = pytest.mark.slow

EXAMPLES = {"nobody": 2, "limited": 3, "admin": 6}
"""Requests of each operation, on each of the two databases."""
CONTROL = {f"{route.method} {route.path}": route for route in ROUTES if route.scope is not None}
KNOWN = {
    "org": "default",
    "project": "default",
    "key": "free-delivery",
    "version": "1",
    "number": "1",
    "product": "sku-1",
    "subject": "anna",
    "id": "acme",
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """`keys`: `admin` has all scopes, `limited` only read, in the project staging. Generated
    requests with all rights go to the project default, so that staging stays as it was applied."""

    server: ServerProcess
    keys: dict[str, str]


@pytest.fixture(scope="module", params=DATABASES)
def control(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    data_dir = tmp_path_factory.mktemp("data")
    with new_database_for(request) as url:
        keys, source = filled(data_dir, url)
        with serving(data_dir, FAIRLOT_DATABASE_URL=url) as server:
            plant(server, source, keys["admin"])
            yield ControlPlane(server, keys)


def filled(data_dir: Path, database_url: str | None) -> tuple[dict[str, str], str]:
    """The keys of a new control plane, and a source token of its project staging."""
    run = partial(fairlot, FAIRLOT_DATABASE_URL=database_url)
    published(data_dir, SHOP, FAIRLOT_DATABASE_URL=database_url)
    here = ("--data", str(data_dir))
    run("projects", "create", "staging", *here)
    run("apply", str(SHOP), "--yes", "--project", "staging", *here)
    catalog = data_dir / "catalog.json"
    catalog.write_text('[{"id": "sku-1"}]')
    run("products", "import", str(catalog), "--project", "staging", *here)
    scopes = [word for scope in Scope for word in ("--scope", scope)]
    limited = ("--scope", "read", "--project", "staging")
    keys = {
        "admin": run("keys", "create", *scopes, *here)["key"],
        "limited": run("keys", "create", *limited, *here)["key"],
    }
    return keys, run("token", "create", "--kind", "source", "--project", "staging", *here)["token"]


def plant(server: ServerProcess, source: str, admin: str) -> None:
    """A subject and an account that plain requests can ask for."""
    seen = {"token": source, "event": "view", "userId": KNOWN["subject"]}
    httpx.post(f"{server.url}/api/v1/track", json=seen).raise_for_status()
    account = f"/api/v1/orgs/default/projects/staging/accounts/{KNOWN['id']}"
    headers = {"Authorization": f"Bearer {admin}"}
    httpx.put(server.url + account, json={"attributes": {}}, headers=headers).raise_for_status()


@pytest.fixture(scope="module")
def operations(control: ControlPlane) -> dict[str, Operation]:
    return operations_at(control.server.url)


@pytest.mark.parametrize("label", sorted(CONTROL))
@pytest.mark.parametrize("caller", EXAMPLES)
def test_control__generated_requests__no_undocumented_answer_and_no_5xx(
    control: ControlPlane, operations: dict[str, Operation], label: str, caller: str
) -> None:
    def prepare(case: Case) -> None:
        if caller != "nobody":
            name_known(case, KNOWN)
            case.headers["Authorization"] = f"Bearer {control.keys[caller]}"

    statuses = statuses_of(operations[label], EXAMPLES[caller], prepare)
    if caller == "nobody":
        assert statuses <= {401, 404, 405}
    elif caller == "limited" and "{project}" in label:
        assert statuses <= {400, 403, 404, 405, 413}


@pytest.mark.parametrize(
    "label",
    [
        label
        for label, route in sorted(CONTROL.items())
        if route.method == "GET"
        and ("{key}" not in label or "/experiments/" in label)
        and not label.endswith("/diff")  # there is one revision
    ],
)
def test_control__plain_get_with_all_rights__is_answered_as_documented(
    control: ControlPlane, operations: dict[str, Operation], label: str
) -> None:
    known = KNOWN | {"project": "staging"}
    case = operations[label].Case(
        path_parameters={name: known[name] for name in known if f"{{{name}}}" in label},
        headers={"Authorization": f"Bearer {control.keys['admin']}"},
    )
    assert case.call_and_validate(checks=CHECKS).status_code == 200
