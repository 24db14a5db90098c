"""What holds for every test: how many passed per kind is told, and in CI nothing is skipped."""

import os
from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
IN_CI = os.environ.get("CI") == "true"


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
