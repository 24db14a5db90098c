from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from fairlot.service.projects import (
    InvalidProjectKey,
    ProjectExists,
    create_project,
    update_project,
)
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.tenants import OrganizationRow, ProjectRow, find_organization, find_project
from support.credentials import ANYBODY
from unit.service.conftest import NOW_MS


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.writing() as opened:
        yield opened


def default_of(connection: Connection) -> OrganizationRow:
    found = find_organization(connection, "default")
    assert found is not None
    return found


def made(connection: Connection, key: str = "staging", **settings: bool | str) -> ProjectRow:
    row, _ = create_project(
        connection,
        default_of(connection),
        key,
        actor=ANYBODY,
        now_ms=NOW_MS,
        **settings,  # type: ignore[arg-type]
    )
    return row


def test_create_project__new_key__is_served_with_its_token(store: Store) -> None:
    with store.writing() as connection:
        _, token = create_project(
            connection, default_of(connection), "staging", actor=ANYBODY, now_ms=NOW_MS
        )
    snapshot = load_snapshot(store)
    serving = snapshot.projects["default", "staging"]
    assert (serving.version, serving.compiled.experiments) == (0, {})
    assert snapshot.tokens[token.sha256] is serving


def test_create_project__settings__are_stored(connection: Connection) -> None:
    row = made(connection, private=True, tier="free", review_required=True)
    assert find_project(connection, "default", "staging") == row
    assert (row.private, row.tier, row.review_required) == (True, "free", True)
    assert row.created_at_ms == NOW_MS


def test_create_project__key_that_is_there__is_refused(connection: Connection) -> None:
    with pytest.raises(ProjectExists, match="default/default: exists already"):
        made(connection, "default")


@pytest.mark.parametrize("key", ["", "A", "1a", "a b", "a.json", "a/b", "é", "x" * 65, "a\n"])
def test_create_project__key_that_cannot_be_one__is_refused(
    connection: Connection, key: str
) -> None:
    with pytest.raises(InvalidProjectKey, match="use 1 to 64 of a-z"):
        made(connection, key)


def test_update_project__settings__are_served(store: Store) -> None:
    with store.writing() as connection:
        before = made(connection)
        after = replace(before, private=True, tier="standard")
        update_project(connection, before, after, actor=ANYBODY, now_ms=NOW_MS)
    serving = load_snapshot(store).projects["default", "staging"]
    assert (serving.private, serving.tier) == (True, "standard")


def test_update_project__nothing_new__disturbs_nobody(store: Store) -> None:
    with store.writing() as connection:
        before = made(connection)
    generation = store.generation()
    with store.writing() as connection:
        update_project(connection, before, before, actor=ANYBODY, now_ms=NOW_MS)
    assert store.generation() == generation
