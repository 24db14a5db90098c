"""Whether a server could listen, before one is started."""

import errno
import socket

from fairlot.cli.errors import CommandFailed

_WHAT_TO_DO = {
    errno.EADDRINUSE: "the port is in use; stop what uses it, or name another with --port",
    errno.EACCES: "this user may not use the port; name one above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address; name one of its own",
}


class PortUnusable(CommandFailed):
    code = "port_unusable"

    def __init__(self, host: str, port: int, error: OSError) -> None:
        self.host = host
        self.port = port
        problem = _WHAT_TO_DO.get(error.errno or 0, f"cannot be listened on ({error})")
        super().__init__(f"{host} port {port}: {problem}")


def check_port(host: str, port: int) -> int:
    """The port that listening on `port` would give: itself, or for 0 a free one.

    Raises PortUnusable.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortUnusable(host, port, error) from error
        given: int = probe.getsockname()[1]
        return given


def pick_port(host: str, wanted: int | None, preferred: int) -> int:
    """`wanted` if it is given; else `preferred` if it is free, else any that is."""
    if wanted is not None:
        return check_port(host, wanted)
    try:
        return check_port(host, preferred)
    except PortUnusable:
        return check_port(host, 0)
