"""An AWS Lambda function behind a gateway, a load balancer or a URL, and one on a schedule."""

import json
import os
from typing import Any

from fairlot import Client
from fairlot.integrations.aws_lambda import (
    fairlot_handler,
    get_or_create_subject_id,
    request_context,
)

client = Client(os.environ["EXPERIMENTS_URL"], api_key=os.environ["EXPERIMENTS_KEY"])


@fairlot_handler(client)  # sends cookies, and the events before the function is frozen
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    subject_id = get_or_create_subject_id(event)
    promise = client.exposure("delivery-promise", subject_id, request_context(event))
    shown = promise.payload or {"text": "Soon"}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({**shown, "variant": promise.variant_key}),
    }


def refresh(_event: dict[str, Any], _: Any) -> dict[str, bool]:
    """For a schedule of a minute, say: the next request then waits for nothing, and is not served
    by an older manifest."""
    return {"refreshed": client.refresh()}
