"""`fairlot openapi`: the document that the server serves at /openapi.json."""

import click

from fairlot.cli.options import data_option, json_option
from fairlot.cli.output import print_json
from fairlot.http.openapi import openapi_document
from fairlot.http.routes import ROUTES


@click.command
@data_option
@json_option
def openapi(**_: object) -> None:
    """Print the OpenAPI 3.1 document. It is JSON with and without --json, and needs no data."""
    print_json(openapi_document(ROUTES))
