"""The edge of the command line, where every error becomes a message and an exit code."""

import os
import sys
from collections.abc import Mapping

import click

from fairlot.cli import is_missing_extra
from fairlot.cli.commands import root
from fairlot.cli.output import print_json

FAILED = 1
UNEXPECTED = 2
INTERRUPTED = 130


def run(given: list[str]) -> int:
    """Run one command. Raises ModuleNotFoundError for a package of the server extra only."""
    as_json = "--json" in given
    try:
        code = root.main(given, prog_name="fairlot", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _report_usage(error, as_json)
    except (click.Abort, KeyboardInterrupt):
        return _report("interrupted", "interrupted", as_json, INTERRUPTED)
    except BrokenPipeError:
        # The reader has gone (`fairlot events | head`); Python's last flush must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # the edge of the command line
        if is_missing_extra(error):
            raise
        return _report_error(error, as_json)
    return code if isinstance(code, int) else 0


def _report_usage(error: click.ClickException, as_json: bool) -> int:
    if as_json:
        return _report("usage", error.format_message(), as_json, error.exit_code)
    error.show()
    return error.exit_code


def _report_error(error: Exception, as_json: bool) -> int:
    # Imported here: loading the engine would take half of the time of `fairlot --help`.
    from fairlot.cli.errors import CommandFailed
    from fairlot.engine.errors import FairlotError

    debugging = bool(os.environ.get("FAIRLOT_DEBUG"))
    if debugging:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, FairlotError):
        if isinstance(error, CommandFailed):
            return _report(error.reported_code, str(error), as_json, FAILED, error.details)
        return _report(error.code, str(error), as_json, FAILED)
    line = f"unexpected {type(error).__name__}: {error}"
    hint = "" if debugging else " (set FAIRLOT_DEBUG=1 to see where it came from)"
    return _report("unexpected", line + hint, as_json, UNEXPECTED)


def _report(
    code: str,
    message: str,
    as_json: bool,
    exit_code: int,
    details: Mapping[str, object] | None = None,
) -> int:
    if as_json:
        print_json({"error": {"code": code, "message": message, **(details or {})}})
    else:
        click.echo(f"Error: {message}", err=True)
    return exit_code
