"""The log of a server's own doings. structlog is imported when something is logged: with what it
brings it is a sixth of the start of a command, and most commands log nothing."""

from typing import Any


class LazyLogger:
    """What `structlog.get_logger` gives, once it is asked for a method."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __getattr__(self, method: str) -> Any:
        import structlog

        return getattr(structlog.get_logger(*self._arguments), method)


def get_logger(*arguments: str) -> LazyLogger:
    return LazyLogger(*arguments)
