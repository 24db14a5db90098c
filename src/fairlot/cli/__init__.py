"""The command line. This module needs none of the packages that the server extra brings."""

import json
import sys
from collections.abc import Sequence
from typing import Final

_EXTRA_MODULES: Final = frozenset(
    {
        "alembic",
        "click",
        "duckdb",
        "httptools",
        "ibis",
        "jinja2",
        "numpy",
        "prometheus_client",
        "rich",
        "scipy",
        "sqlalchemy",
        "structlog",
        "uvicorn",
        "uvloop",
        "yaml",
    }
)
_EXTRA_MISSING: Final = "The commands need the server extra: pip install 'fairlot[server]'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command: 0 is done, 1 an error that the message explains, 2 wrong usage or a bug."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from fairlot.cli.edge import run

        return run(given)
    except ModuleNotFoundError as error:
        if not is_missing_extra(error):
            raise
    if "--json" in given:
        error_document = {"code": "server_extra_missing", "message": _EXTRA_MISSING}
        print(json.dumps({"error": error_document}, indent=2))
    else:
        print(_EXTRA_MISSING, file=sys.stderr)
    return 1


def is_missing_extra(error: BaseException) -> bool:
    """Whether a package of the server extra is not installed."""
    if not isinstance(error, ModuleNotFoundError):
        return False
    return (error.name or "").partition(".")[0] in _EXTRA_MODULES
