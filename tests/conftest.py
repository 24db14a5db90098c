"""What holds for every test: how many passed per kind is told, in CI nothing is skipped, and what
touches the store runs on SQLite and on PostgreSQL."""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.postgres import (
    DATABASES,
    Cluster,
    PostgresMissing,
    clean_database,
    new_database_for,
    shared_cluster,
    shared_directory,
    stop_shared_cluster,
)

TESTS = Path(__file__).parent
IN_CI = os.environ.get("CI") == "true"
# No example has to be quick: what else runs on the machine is no matter. So it is in CI anyway.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")


# The directory of the cluster that all workers of this run share; they inherit it.
POSTGRES_VARIABLE = "TESTS_POSTGRES_DIRECTORY"


@pytest.fixture(scope="session")
def postgres() -> Cluster:
    """A running server, shared by all workers: leave it running."""
    try:
        return shared_cluster(Path(os.environ[POSTGRES_VARIABLE]))
    except PostgresMissing as missing:
        if IN_CI:
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Runs a test twice: with None, the file of the data directory, and with the URL of a
    PostgreSQL database that has all tables and no rows."""
    if request.param == "sqlite":
        yield None
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with clean_database(request.getfixturevalue("postgres"), f"clean_{worker}") as url:
        yield url


@pytest.fixture(params=DATABASES)
def new_database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """As `database_url`, without any table."""
    with new_database_for(request) as url:
        yield url


def pytest_collection_finish() -> None:
    """What is collected stays, all 700,000 objects of it: the collector need not look again."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[POSTGRES_VARIABLE] = str(shared_directory())


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        stop_shared_cluster(Path(os.environ.pop(POSTGRES_VARIABLE)))


def kind_of(nodeid: str) -> str:
    """The directory under tests/ that a test lives in."""
    parts = nodeid.split("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "other"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = Counter(kind_of(report.nodeid) for report in terminalreporter.stats.get("passed", []))
    terminalreporter.section("tests passed per kind")
    for kind, count in sorted(passed.items()):
        terminalreporter.write_line(f"{kind:12} {count:6}")
    skipped = terminalreporter.stats.get("skipped", [])
    if IN_CI and skipped:
        terminalreporter.write_line(
            f"{len(skipped)} skipped: in CI every skip is a failure", red=True
        )
