"""The steps of a decision, as a document and as a table."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fairlot.cli.output import print_table
from fairlot.engine import Explanation


def trace_document(explanation: Explanation) -> dict[str, object]:
    """The trace as the assignment API prints it."""
    return {
        "reason": explanation.decision.reason.value,
        "steps": [asdict(step) for step in explanation.steps],
    }


def print_trace(trace: Mapping[str, Any]) -> None:
    """Of the document, as `trace_document` makes it."""
    rows = []
    for step in trace["steps"]:
        # the note spells out the ranges already
        known = {
            name: value
            for name, value in step["details"].items()
            if value is not None and name != "ranges"
        }
        details = ", ".join(f"{name}={_shown(value)}" for name, value in known.items())
        rows.append((step["name"], step["verdict"], step["note"], details))
    print_table(("step", "verdict", "note", "details"), rows)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
