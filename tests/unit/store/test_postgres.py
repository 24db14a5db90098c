"""What can happen to a store because it is a server."""

import asyncio
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from fairlot.service.bootstrap import bootstrap
from fairlot.store import Store, StoreFailed, StoreUnusable, open_store
from fairlot.store.errors import CommitUnanswered
from fairlot.store.postgres_connection import (
    BoundedConnection,
    Connector,
    NoAnswer,
    parameters_of,
)
from fairlot.store.tenants import raise_generation
from support.postgres import PASSWORD, Cluster
from support.waiting import wait_for

pytestmark = pytest.mark.postgres
SECRET = "a secret of the operator"


@pytest.fixture
def url(postgres: Cluster) -> Iterator[str]:
    with postgres.new_database() as url:
        yield url


@pytest.fixture
def store(tmp_path: Path, url: str) -> Iterator[Store]:
    with closing(open_store(tmp_path, SECRET, url)) as store:
        yield store


def database_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_open_store__postgresql__leaves_no_database_in_the_directory(
    tmp_path: Path, store: Store
) -> None:
    assert bootstrap(store) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["fairlot.db.lock"]


def test_open_store__second_host_without_the_key__is_told_which_it_needs(
    tmp_path: Path, url: str
) -> None:
    open_store(tmp_path / "first", None, url).close()
    with pytest.raises(StoreUnusable, match=r"restore secret\.key"):
        open_store(tmp_path / "second", None, url)
    (tmp_path / "second" / "secret.key").write_text((tmp_path / "first" / "secret.key").read_text())
    open_store(tmp_path / "second", None, url).close()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda url: url + "_gone", "does not exist"),
        (lambda url: url.replace("fairlot_owner", "nobody"), "nobody"),
        (lambda _url: f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop", "127.0.0.1:1/shop"),
        (lambda url: url + "?no_such_option=1", "not a URL that libpq can read"),
    ],
)
def test_open_store__database_that_is_not_there__says_where_without_the_password(
    tmp_path: Path, url: str, broken: Callable[[str], str], told: str
) -> None:
    with pytest.raises(StoreUnusable, match=told) as caught:
        open_store(tmp_path, SECRET, broken(url))
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert not list(tmp_path.iterdir())


def test_open_store__other_encoding__is_refused(tmp_path: Path, postgres: Cluster) -> None:
    name = "latin_one"
    postgres.administer(
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
        " LOCALE_PROVIDER libc"
    )
    try:
        with pytest.raises(StoreUnusable, match="encoding LATIN1"):
            open_store(tmp_path, SECRET, postgres.url(name))
    finally:
        postgres.drop(name)


def test_open_store__driver_not_installed__says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from fairlot.store import StoreUnusable, open_store\n"
        "try: open_store(Path(sys.argv[1]), None, 'postgresql://u:hidden@h/d')\n"
        "except StoreUnusable as error: print(error)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True
    )
    assert "pip install 'fairlot[server,postgres]'" in ran.stdout
    assert "hidden" not in ran.stdout


def test_store__connections_cut_by_the_server__heals_at_once(
    store: Store, postgres: Cluster, url: str
) -> None:
    for _ in range(2):
        postgres.disconnect(database_of(url))
        with store.writing() as connection:
            raise_generation(connection)
    assert store.generation() == 2


@pytest.mark.parametrize(
    ("writes_on", "raised", "told"),
    [(True, StoreFailed, "nothing was stored"), (False, CommitUnanswered, "look whether")],
)
def test_writing__connection_cut__is_an_error_and_says_what_is_known(
    store: Store, postgres: Cluster, url: str, writes_on: bool, raised: type[Exception], told: str
) -> None:
    def write_and_be_cut() -> None:
        with store.writing() as connection:
            raise_generation(connection)
            postgres.disconnect(database_of(url))
            if writes_on:
                raise_generation(connection)

    with pytest.raises(raised, match=told) as caught:
        write_and_be_cut()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    assert store.generation() == 0


def test_writing__several_at_once__wait_for_each_other(
    tmp_path: Path, postgres: Cluster, url: str
) -> None:
    """Each reads what the other wrote, whatever the database has as its default."""
    postgres.administer(
        f"ALTER DATABASE {database_of(url)} SET default_transaction_isolation = 'serializable'"
    )
    store = open_store(tmp_path, SECRET, url)

    def increment() -> None:
        for _ in range(20):
            with store.writing() as connection:
                found = connection.execute(text("SELECT generation FROM serving")).scalar_one()
                connection.execute(
                    text("UPDATE serving SET generation = :next"), {"next": found + 1}
                )

    threads = [threading.Thread(target=increment) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.generation() == 60
    store.close()


def test_reading__tries_to_write__is_refused(store: Store) -> None:
    with pytest.raises(StoreFailed, match="read-only"), store.reading() as connection:
        raise_generation(connection)


@contextmanager
def following(store: Store) -> Iterator[list[int]]:
    """Has an element for every time that the store said that something changed."""
    heard: list[int] = []
    loop = asyncio.new_event_loop()
    task = loop.create_task(store.follow(lambda: heard.append(1)))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield heard
    finally:
        loop.call_soon_threadsafe(task.cancel)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()


def test_follow__generation_raised__is_heard_after_the_commit_only(store: Store) -> None:
    with following(store) as heard:
        wait_for(lambda: len(heard) == 1)  # what happened before it listened was not heard
        with store.writing(keep=False) as connection:
            raise_generation(connection)
        with store.writing() as connection:
            raise_generation(connection)
        wait_for(lambda: len(heard) == 2)


def test_follow__connection_cut__listens_again_and_looks(
    store: Store, postgres: Cluster, url: str
) -> None:
    with capture_logs() as logs, following(store) as heard:
        wait_for(lambda: len(heard) == 1)
        postgres.disconnect(database_of(url))
        wait_for(lambda: len(heard) == 2)
        with store.writing() as connection:
            raise_generation(connection)
        wait_for(lambda: len(heard) == 3)
    events = [log["event"] for log in logs]
    assert events == ["store.listening_failed", "store.listening_again"]
    assert PASSWORD not in str(logs)


def test_follow__server_away__is_logged_once(tmp_path: Path, postgres: Cluster) -> None:
    with postgres.new_database() as url:
        store = open_store(tmp_path, SECRET, url)
    with capture_logs() as logs, following(store) as heard:
        wait_for(lambda: bool(logs))
        threading.Event().wait(2.5)  # two or more tries
    store.close()
    assert (len(logs), heard) == (1, [])


def test_connector__after_a_failure__tries_nothing_for_a_second() -> None:
    """Whoever waits in line while the server hangs would wait for a connection each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        parameters = parameters_of(f"postgresql://127.0.0.1:{port}/shop?connect_timeout=2")
        connector = Connector(parameters)
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            connector.connect()
        listener.accept()[0].close()
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            connector.connect()
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_bounded_connection__server_says_nothing__is_closed(url: str) -> None:
    with closing(BoundedConnection.connect(url)) as connection:
        connection.within_s = 0.3
        with pytest.raises(NoAnswer, match=r"within 0\.3 s"):
            connection.execute("SELECT pg_sleep(5)")
        assert connection.closed
