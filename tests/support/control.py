"""The control plane over a real store with two organizations, and short ways to call it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from fairlot.http.addresses import Addresses
from fairlot.http.counts import Counts, WorkerFiles
from fairlot.http.registry import Registry
from fairlot.http.routes import serve_routes
from fairlot.http.services import Services
from fairlot.http.throttle import Throttle
from fairlot.service.actors import Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import KnownFeeds, PublishedFeeds
from fairlot.service.privacy.deleting import Deletions
from fairlot.service.profiles import KnownProfiles
from fairlot.service.reactions import NO_RULES
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.tenants import ProjectRow, add_organization, add_project, organization_id
from fairlot.warehouse.on_demand import OnDemandLog
from fairlot.warehouse.stored import StoredLog
from support.asgi import AsgiClient, Response
from support.credentials import create_key
from support.serving import NOW_MS, Clock
from support.tables import (
    directory_to_copy,
    lay_database,
    open_profiles_with_tables,
    open_with_tables,
)

SECRET = "a secret of the operator"


@dataclass
class ControlBench:
    """Organization `default` has the projects `default` and `staging`, `rival` has `default`.
    `keys`: `admin` has all scopes, `reader` only read, `staging` all in that project, `rival` all
    in the other organization."""

    store: Store
    clock: Clock
    services: Services
    client: AsgiClient
    keys: dict[str, str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, body: Any = None, key: str | None = "admin", **headers: str
    ) -> Response:
        """Underscores in header names stand for hyphens."""
        if key is not None:
            headers = {"Authorization": f"Bearer {self.keys[key]}", **headers}
        content = b"" if body is None else body
        if not isinstance(content, bytes):
            content = msgspec.json.encode(content)
        return self.client.request(method, path, content, headers=headers)

    def get(self, path: str, key: str | None = "admin", **headers: str) -> Response:
        return self.call("GET", path, key=key, **headers)

    def post(
        self, path: str, body: Any = None, key: str | None = "admin", **headers: str
    ) -> Response:
        return self.call("POST", path, body, key, **headers)


@contextmanager
def control_bench(
    tmp_path: Path, database_url: str | None, **fields: Any
) -> Iterator[ControlBench]:
    """`fields` replace those of `Services`."""
    keys = None if database_url else _lay(tmp_path / "data")
    with closing(open_with_tables(tmp_path / "data", SECRET, database_url)) as store:
        keys = keys or _fill(store)
        log = StoredLog(tmp_path / "events")
        decisions = Decisions(partial(load_snapshot, store), store.generation, log)
        clock = Clock()
        merges = OnDemandLog(tmp_path / "events")
        profiles = KnownProfiles(
            open_profiles_with_tables(tmp_path / "data", database_url), merges, NO_RULES, clock.ms
        )
        services = Services(
            decisions=decisions,
            store=store,
            profiles=profiles,
            feeds=KnownFeeds(profiles.store, PublishedFeeds(lambda: decisions.snapshot), clock.ms),
            privacy=profiles.rejections,
            deletions=Deletions(
                store=store,
                profiles=profiles,
                log=log,
                events_dir=tmp_path / "events",
                own_file=None,
                clock_ms=clock.ms,
            ),
            store_generation=store.generation,
            log=log,
            counts=Counts(),
            worker_files=WorkerFiles(tmp_path / "metrics"),
            throttle=Throttle(clock.s),
            addresses=Addresses(),
            clock_ms=clock.ms,
            after_change=decisions.refresh,
        )
        services = replace(services, **fields)
        registry: Registry = serve_routes(services)
        client = AsgiClient(registry)
        try:
            yield ControlBench(store, clock, services, client, keys)
        finally:
            client.close()
            profiles.close(5)
            merges.close(5)
            services.control_threads.shutdown()


def _lay(data_dir: Path) -> dict[str, str]:
    """What `_fill` makes, as a copy."""
    filled, keys = _filled()
    lay_database(filled, data_dir)
    return dict(keys)


@cache
def _filled() -> tuple[Path, dict[str, str]]:
    directory = directory_to_copy()
    with closing(open_with_tables(directory, SECRET)) as store:
        return directory, _fill(store)


def _fill(store: Store) -> dict[str, str]:
    bootstrap(store, now_ms=NOW_MS)
    with store.writing() as connection:
        owner = organization_id(connection, "default")
        assert owner is not None
        add_project(connection, ProjectRow("prj_2", "staging", owner, "default"), NOW_MS)
        add_organization(connection, "org_2", "rival", NOW_MS)
        add_project(connection, ProjectRow("prj_3", "default", "org_2", "rival"), NOW_MS)
    asked: dict[str, dict[str, Any]] = {
        "admin": {"scopes": Scope},
        "reader": {"scopes": [Scope.READ]},
        "staging": {"scopes": Scope, "project": "staging"},
        "rival": {"scopes": Scope, "org": "rival"},
    }
    return {name: create_key(store, now_ms=NOW_MS, **each).text for name, each in asked.items()}
