"""How the first credentials of a data directory are shown, once."""

import click

from fairlot.service.bootstrap import FirstCredentials


def credentials_document(credentials: FirstCredentials) -> dict[str, object]:
    return {"token": credentials.token, "adminKey": credentials.admin_key}


def print_credentials(credentials: FirstCredentials | None) -> None:
    if credentials is None:
        return
    click.echo(f"Experiment token: {credentials.token}")
    click.echo(f"Admin key:        {credentials.admin_key}")
    click.echo(
        "Keep the admin key now: it is not shown again. `fairlot token show` repeats the token."
    )
