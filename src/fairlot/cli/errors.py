"""Errors that only a command can raise."""

from collections.abc import Mapping
from typing import ClassVar

from fairlot.engine.errors import FairlotError


class CommandFailed(FairlotError):
    """A command that could not do its work; `details` goes beside the message in JSON."""

    code: ClassVar[str] = "command_failed"

    def __init__(self, message: str, details: Mapping[str, object] | None = None) -> None:
        self.details = dict(details or {})
        super().__init__(message)

    @property
    def reported_code(self) -> str:
        """What JSON output carries."""
        return self.code


class NotConfirmed(CommandFailed):
    code = "not_confirmed"


class InvalidArgument(CommandFailed):
    code = "invalid_argument"


class InvalidExperiments(CommandFailed):
    """Every problem of every file, in the order of the files."""

    code = "invalid_experiments"


class FilesTooLarge(CommandFailed):
    """What a folder holds does not go to the control plane at once."""

    code = "files_too_large"
