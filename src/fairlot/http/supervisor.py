"""The supervisor of several workers: uvicorn's, but told at once of a worker that has died."""

import sys

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Replaces workers that die, until SIGINT or SIGTERM.

    Exits with STARTUP_FAILURE, as one process does, when a worker cannot start.
    """

    _start_failed = False

    def run(self) -> None:
        super().run()
        if self._start_failed:
            sys.exit(STARTUP_FAILURE)

    def keep_subprocess_alive(self) -> None:
        if self.should_exit.is_set():
            return
        for worker in self.processes:
            # The worker has a copy of its end of the pipe. While we hold one too, its death does
            # not end the wait for its answer.
            worker.child_conn.close()
        super().keep_subprocess_alive()
        self._start_failed = self.should_exit.is_set()  # a signal would have set it before
