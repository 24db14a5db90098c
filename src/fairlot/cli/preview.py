"""`fairlot preview`: a link that shows one variant of an experiment, draft or not."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from fairlot.cli.control import ControlClient, controlled_with, organization_path
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note
from fairlot.manifest.previews import LONGEST_TTL_S, link_at

_TTL: Final = re.compile(r"(\d{1,7})([smhd]?)", re.ASCII)
_UNIT_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    match = _TTL.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter(f"{value!r}: write a number with its unit, as in 90s, 15m or 7d")
    return int(match[1]) * _UNIT_S[match[2]]


@click.command
@click.argument("experiment", required=False)
@click.argument("variant", required=False)
@click.option("--url", help="The page to show it on; what its query holds is kept.")
@click.option(
    "--ttl",
    "ttl_s",
    metavar="TIME",
    callback=_seconds,
    default="15m",
    show_default=True,
    help="How long the link works: 90s, 15m, 2h; at most 7d.",
)
@click.option("--revoke", "jti", metavar="JTI", help="Revoke the token of this id instead.")
@org_option
@project_option
@controlled_with("--server")
@json_option
def preview(
    client: ControlClient,
    experiment: str | None,
    variant: str | None,
    url: str | None,
    ttl_s: int,
    jti: str | None,
    org: str,
    project: str,
    as_json: bool,
) -> None:
    """Print a link that shows VARIANT of EXPERIMENT to whoever opens it, and record nothing.

    EXPERIMENT may be a draft. Without --url the query is printed that makes any page a preview.
    The site must ask for previews, as `treatment_with_preview` of the SDK does.
    """
    if jti is not None:
        if experiment is not None:
            raise InvalidArgument("--revoke: name no experiment beside it")
        client.change("POST", organization_path(org, "preview", "revoke"), {"jti": jti})
        _print_revoked(jti, as_json)
        return
    if experiment is None or variant is None:
        raise click.UsageError("name EXPERIMENT and VARIANT, or --revoke JTI")
    if url is not None:
        _check_url(url)
    if not 1 <= ttl_s <= LONGEST_TTL_S:
        raise InvalidArgument(f"--ttl: {ttl_s} seconds: use 1 to {LONGEST_TTL_S} seconds")
    asked = {
        "project": project,
        "experimentId": experiment,
        "variantKey": variant,
        "ttlSeconds": ttl_s,
    }
    signed = client.request("POST", organization_path(org, "preview", "sign"), asked).json
    _print_signed(signed, url, as_json)


def _print_signed(signed: Mapping[str, Any], url: str | None, as_json: bool) -> None:
    link = None if url is None else link_at(url, signed["query"])
    if as_json:
        print_json({"link": link, **signed})
        return
    click.echo(link or f"?{signed['query']}")
    print_note(
        f"Works until {signed['expiresAt']}; end it earlier with:"
        f" fairlot preview --revoke {signed['jti']}"
    )


def _print_revoked(jti: str, as_json: bool) -> None:
    if as_json:
        print_json({"jti": jti, "revoked": True})
    else:
        click.echo(f"Revoked {jti}.")


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidArgument(f"--url: {url!r}: {error}; write the URL of a page") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidArgument(f"--url: {url!r}: write it whole, as in https://shop.example/cart")
