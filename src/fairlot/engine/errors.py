"""The one base of all errors that Fairlot raises, and the errors of the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class FairlotError(Exception):
    """A broken promise. `str(error)` says what is wrong and what to do about it.

    `code` is stable: programs may compare it, and it is what JSON output carries.
    """

    code: ClassVar[str] = "fairlot"


class InvalidExperiment(FairlotError):
    """An experiment, or a part of one, that cannot be compiled.

    `path` names the field from the experiment's root, as in `audience.rule.tier.$gt`.
    """

    code = "invalid_experiment"

    def __init__(self, path: str, value: object, fix: str) -> None:
        self.path = path
        self.value = value
        self.fix = fix
        super().__init__(f"{path}: {shorten(value)}: {fix}" if path else f"{shorten(value)}: {fix}")

    def under(self, prefix: str) -> "InvalidExperiment":
        """The same error seen from a parent whose field is `prefix`."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return InvalidExperiment(prefix + joint + self.path, self.value, self.fix)


@contextmanager
def located(prefix: str) -> Iterator[None]:
    """Errors raised inside are seen from the parent whose field is `prefix`."""
    try:
        yield
    except InvalidExperiment as error:
        raise error.under(prefix) from None


def shorten(value: object, limit: int = 80) -> str:
    """`repr(value)`, cut to `limit` characters, for error messages."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
