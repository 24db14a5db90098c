"""`fairlot serve`: the decision server."""

import sys

import click

from fairlot import app
from fairlot.cli.credentials import credentials_document, print_credentials
from fairlot.cli.data import opened_store
from fairlot.cli.options import data_option, json_option, read_settings, settings_options
from fairlot.cli.output import print_json
from fairlot.cli.ports import check_port
from fairlot.service.bootstrap import bootstrap
from fairlot.settings import Settings


@click.command
@settings_options
@data_option
@json_option
def serve(data_dir: str | None, as_json: bool, **flags: object) -> None:
    """Serve the data directory until Ctrl-C.

    An empty data directory gets the organization and the project `default`; their experiment
    token and an admin key are then printed, once. Each option can also be set in fairlot.toml and
    by a FAIRLOT_* variable; a flag wins. With --json one document is printed at the start.
    """
    settings = read_settings(data_dir, **flags)
    with opened_store(settings) as store:
        # What would stop the server is said before anything is printed; it checks again itself.
        with app.serve_lock(settings.data_dir):
            check_port(settings.host, settings.port)
        credentials = bootstrap(store)
    url = _url_of(settings)
    if as_json:
        document = credentials and credentials_document(credentials)
        print_json({"url": url, "workers": settings.workers, "credentials": document})
    else:
        print_credentials(credentials)
        click.echo(f"Serving {settings.data_dir} on {url} with {settings.workers} worker(s).")
    sys.stdout.flush()
    app.serve(settings)


def _url_of(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
