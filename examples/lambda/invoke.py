"""Calls the function as AWS would, with one event of each kind, and prints what it returns."""

import json
from pathlib import Path
from typing import Any

import app

KINDS = ["gateway", "function-url", "load-balancer"]
EVENTS = Path(__file__).parent / "events"


def main() -> None:
    show("schedule", app.refresh({"source": "aws.events"}, None))
    for kind in KINDS:
        event = json.loads((EVENTS / f"{kind}.json").read_text("utf-8"))
        show(kind, app.handler(event, None))
    app.client.close()


def show(kind: str, response: dict[str, Any]) -> None:
    print(f"--- {kind}\n{json.dumps(response, indent=2)}")


if __name__ == "__main__":
    main()
