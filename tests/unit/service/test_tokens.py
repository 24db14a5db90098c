import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from fairlot.service.access import existing_project
from fairlot.service.ends import HasEnded, InvalidEnd
from fairlot.service.origins import InvalidOrigins
from fairlot.service.snapshot import load_snapshot
from fairlot.service.tokens import (
    UnknownToken,
    create_token,
    expire_token,
    live_token,
    live_tokens,
    revoke_token,
)
from fairlot.store import Store
from fairlot.store.tenants import ProjectRow
from fairlot.store.tokens import TokenKind, tokens_of
from support.credentials import ANYBODY
from unit.service.conftest import NOW_MS


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.writing() as opened:
        yield opened


@pytest.fixture
def project(connection: Connection) -> ProjectRow:
    return existing_project(connection, "default", "default")


def texts(connection: Connection, project: ProjectRow, at_ms: int = NOW_MS) -> list[str]:
    return [row.token for row in live_tokens(connection, project, at_ms)]


def test_create_token__lives_beside_the_others(connection: Connection, project: ProjectRow) -> None:
    (first,) = texts(connection, project)
    made = create_token(connection, project, actor=ANYBODY, now_ms=NOW_MS + 1)
    assert re.fullmatch(r"exp_[0-9A-Za-z]{32}", made.token)
    assert texts(connection, project) == [first, made.token]
    assert live_token(connection, project, actor=ANYBODY, now_ms=NOW_MS) == made.token


def test_create_token__end_that_has_come__is_refused(
    connection: Connection, project: ProjectRow
) -> None:
    with pytest.raises(InvalidEnd):
        create_token(connection, project, expires_at_ms=NOW_MS, actor=ANYBODY, now_ms=NOW_MS)


def test_expire_token__works_until_then(connection: Connection, project: ProjectRow) -> None:
    made = create_token(connection, project, actor=ANYBODY, now_ms=NOW_MS)
    expire_token(
        connection, project, made.id, expires_at_ms=NOW_MS + 9, actor=ANYBODY, now_ms=NOW_MS
    )
    assert made.token in texts(connection, project, NOW_MS + 8)
    assert made.token not in texts(connection, project, NOW_MS + 9)
    with pytest.raises(HasEnded):
        expire_token(
            connection,
            project,
            made.id,
            expires_at_ms=NOW_MS + 90,
            actor=ANYBODY,
            now_ms=NOW_MS + 9,
        )


def test_revoke_token__the_last_one__leaves_none_and_another_is_made(
    connection: Connection, project: ProjectRow
) -> None:
    (only,) = live_tokens(connection, project, NOW_MS)
    for moment_ms in (NOW_MS, NOW_MS + 1):
        row = revoke_token(connection, project, only.id, actor=ANYBODY, now_ms=moment_ms)
        assert row.revoked_at_ms == NOW_MS
    assert texts(connection, project) == []
    made = live_token(connection, project, actor=ANYBODY, now_ms=NOW_MS)
    assert texts(connection, project) == [made] != [only.token]


def test_revoke_token__unknown__is_told(connection: Connection, project: ProjectRow) -> None:
    with pytest.raises(UnknownToken, match="0123456789abcdef: no token of default"):
        revoke_token(connection, project, "0123456789abcdef", actor=ANYBODY, now_ms=NOW_MS)


def test_snapshot__tokens__revoked_ones_are_left_out_and_ends_are_known(store: Store) -> None:
    with store.writing() as connection:
        project = existing_project(connection, "default", "default")
        (first,) = live_tokens(connection, project, NOW_MS)
        ending = create_token(
            connection, project, expires_at_ms=NOW_MS + 5, actor=ANYBODY, now_ms=NOW_MS
        )
        gone = create_token(connection, project, actor=ANYBODY, now_ms=NOW_MS)
        revoke_token(connection, project, gone.id, actor=ANYBODY, now_ms=NOW_MS)
    snapshot = load_snapshot(store)
    assert snapshot.tokens.keys() == {first.sha256, ending.sha256}
    assert snapshot.token_ends == {ending.sha256: NOW_MS + 5}


def test_create_token__of_a_source__is_no_experiment_token(
    connection: Connection, project: ProjectRow
) -> None:
    made = create_token(
        connection, project, kind=TokenKind.SOURCE, actor=ANYBODY, now_ms=NOW_MS + 1
    )
    assert re.fullmatch(r"src_[0-9A-Za-z]{32}", made.token)
    assert made.token not in texts(connection, project)
    assert live_tokens(connection, project, NOW_MS, TokenKind.SOURCE) == [made]
    assert live_token(connection, project, actor=ANYBODY, now_ms=NOW_MS) != made.token


def test_create_token__with_origins__keeps_them_as_browsers_write_them(
    connection: Connection, project: ProjectRow
) -> None:
    asked = ["https://Shop.example:443", "https://shop.example", "http://[::1]:8080"]
    made = create_token(
        connection,
        project,
        kind=TokenKind.SOURCE,
        allowed_origins=asked,
        actor=ANYBODY,
        now_ms=NOW_MS,
    )
    assert made.allowed_origins == ("https://shop.example", "http://[::1]:8080")
    assert made in tokens_of(connection, project.id)


@pytest.mark.parametrize(
    ("kind", "origins", "problem"),
    [
        (TokenKind.EXPERIMENT, ["https://a.example"], "experiment tokens work everywhere"),
        (TokenKind.SOURCE, [], "0 of them; name 1 to 50"),
        (TokenKind.SOURCE, ["https://a.example"] * 51, "51 of them; name 1 to 50"),
        (TokenKind.SOURCE, ["*"], r"'\*': must be a scheme and a host without a path"),
        (TokenKind.SOURCE, ["https://a.example/"], "'https://a.example/': must be a scheme"),
        (TokenKind.SOURCE, ["null"], "'null': must be a scheme"),
        (TokenKind.SOURCE, ["https://a.example\r\nx: y"], "must be a scheme"),
    ],
)
def test_create_token__origins_that_no_page_has__are_refused(
    connection: Connection,
    project: ProjectRow,
    kind: TokenKind,
    origins: list[str],
    problem: str,
) -> None:
    with pytest.raises(InvalidOrigins, match=problem):
        create_token(
            connection,
            project,
            kind=kind,
            allowed_origins=origins,
            actor=ANYBODY,
            now_ms=NOW_MS,
        )


def test_snapshot__source_tokens__apart_from_those_of_experiments(store: Store) -> None:
    with store.writing() as connection:
        project = existing_project(connection, "default", "default")
        (experiment,) = live_tokens(connection, project, NOW_MS)
        held = create_token(
            connection, project, kind=TokenKind.SOURCE, actor=ANYBODY, now_ms=NOW_MS
        )
        public = create_token(
            connection,
            project,
            kind=TokenKind.SOURCE,
            allowed_origins=["https://a.example"],
            expires_at_ms=NOW_MS + 5,
            actor=ANYBODY,
            now_ms=NOW_MS,
        )
    snapshot = load_snapshot(store)
    assert snapshot.tokens.keys() == {experiment.sha256}
    sources = snapshot.source_tokens
    assert {digest: each.is_public for digest, each in sources.items()} == {
        held.sha256: False,
        public.sha256: True,
    }
    assert sources[public.sha256].tenant is snapshot.tenants["default", "default"]
    assert snapshot.public_origins == {"https://a.example"}
    assert snapshot.token_ends == {public.sha256: NOW_MS + 5}
