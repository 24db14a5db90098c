"""`fairlot keys`: the API keys of an organization."""

import time

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.data import existing_store
from fairlot.cli.options import data_option, json_option, org_option
from fairlot.cli.output import print_json, print_note, print_table
from fairlot.manifest.instants import write_instant
from fairlot.service.access import ListedKey, create_key, list_keys, revoke_key
from fairlot.service.actors import Scope

DAY_MS = 86_400_000
COLUMNS = ("id", "scopes", "projects", "created", "expires", "last used", "revoked")


@click.group(cls=SuggestingGroup)
def keys() -> None:
    """API keys: secret, limited by scopes, sent as `Authorization: Bearer`."""


@keys.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What the key may do; repeat for several.",
)
@click.option("--project", help="Only in this project.  [default: the whole organization]")
@click.option("--expires-in-days", type=click.IntRange(1, 3650), help="[default: never]")
@org_option
@data_option
@json_option
def create(
    scopes: tuple[str, ...],
    project: str | None,
    expires_in_days: int | None,
    org: str,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Make a key and print it, once."""
    expires_at_ms = expires_in_days and _now_ms() + expires_in_days * DAY_MS
    with existing_store(data_dir) as (_, store):
        created = create_key(
            store, org, scopes=scopes, project=project, expires_at_ms=expires_at_ms
        )
    if as_json:
        print_json({"id": created.id, "key": created.text, "scopes": sorted(set(scopes))})
        return
    click.echo(created.text)
    print_note("Keep it now: only its hash is stored.")


@keys.command(name="list")
@org_option
@data_option
@json_option
def show_keys(org: str, data_dir: str | None, as_json: bool) -> None:
    """List the keys of an organization, the revoked ones too."""
    with existing_store(data_dir) as (_, store):
        found = list_keys(store, org)
    if as_json:
        print_json({"keys": [_document(key) for key in found]})
    else:
        print_table(COLUMNS, [_row(key) for key in found])


@keys.command()
@click.argument("key_id", metavar="ID")
@org_option
@data_option
@json_option
def revoke(key_id: str, org: str, data_dir: str | None, as_json: bool) -> None:
    """Revoke the key ID, the eight characters between `fx_key_` and the dot. It is for good.

    Running workers refuse the key within their poll interval.
    """
    with existing_store(data_dir) as (_, store):
        revoke_key(store, org, key_id)
    if as_json:
        print_json({"id": key_id, "revoked": True})
    else:
        click.echo(f"Revoked {key_id}.")


def _document(key: ListedKey) -> dict[str, object]:
    return {
        "id": key.id,
        "scopes": sorted(key.scopes),
        "projects": None if key.projects is None else list(key.projects),
        "createdAt": _instant(key.created_at_ms),
        "expiresAt": _instant(key.expires_at_ms),
        "lastUsedAt": _instant(key.last_used_at_ms),
        "revoked": key.revoked_at_ms is not None,
        "revokedAt": _instant(key.revoked_at_ms),
    }


def _row(key: ListedKey) -> tuple[str, ...]:
    projects = "all" if key.projects is None else ", ".join(key.projects)
    times = (key.created_at_ms, key.expires_at_ms, key.last_used_at_ms, key.revoked_at_ms)
    return (
        key.id,
        " ".join(sorted(key.scopes)),
        projects,
        *((_instant(each) or "-")[:16] for each in times),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else write_instant(at_ms)
