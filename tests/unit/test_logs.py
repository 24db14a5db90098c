"""The log of a server's own doings, before and after structlog is set up."""

import subprocess
import sys

from structlog.testing import capture_logs

from fairlot.logs import get_logger


def test_logger__asked_for_a_method__is_that_of_structlog() -> None:
    log = get_logger("fairlot.somewhere")
    with capture_logs() as logged:
        log.warning("disk.full", free=3)
    assert logged == [{"event": "disk.full", "free": 3, "log_level": "warning"}]


def test_command__that_logs_nothing__does_not_load_what_logs() -> None:
    asked = (
        "import fairlot.warehouse.log, sys; print(sorted({'structlog', 'rich'} & {*sys.modules}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=180
    )
    assert ran.stdout == "[]\n"
