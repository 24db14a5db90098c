"""`fairlot preview`: a link that shows one variant of an experiment, draft or not."""

import re
import time
from typing import Final
from urllib.parse import urlsplit

import click

from fairlot.cli.data import existing_store
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import data_option, json_option, org_option, project_option
from fairlot.cli.output import print_json, print_note
from fairlot.manifest.instants import write_instant
from fairlot.manifest.previews import link_at
from fairlot.service.previews import MintedPreview, mint_preview, revoke_preview
from fairlot.store import Store

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
@data_option
@json_option
def preview(
    experiment: str | None,
    variant: str | None,
    url: str | None,
    ttl_s: int,
    jti: str | None,
    org: str,
    project: str,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Print a link that shows VARIANT of EXPERIMENT to whoever opens it, and record nothing.

    EXPERIMENT may be a draft. Without --url the query is printed that makes any page a preview.
    The site must ask for previews, as `treatment_with_preview` of the SDK does.
    """
    if jti is not None:
        if experiment is not None:
            raise InvalidArgument("--revoke: name no experiment beside it")
        with existing_store(data_dir) as (_, store):
            revoke_preview(store, org, jti, now_ms=_now_ms())
        _print_revoked(jti, as_json)
        return
    if experiment is None or variant is None:
        raise click.UsageError("name EXPERIMENT and VARIANT, or --revoke JTI")
    if url is not None:
        _check_url(url)
    with existing_store(data_dir) as (_, store):
        minted = _mint(store, org, project, experiment, variant, ttl_s)
    _print_minted(minted, url, as_json)


def _mint(
    store: Store, org: str, project: str, experiment: str, variant: str, ttl_s: int
) -> MintedPreview:
    return mint_preview(store, org, project, experiment, variant, now_ms=_now_ms(), ttl_s=ttl_s)


def _print_minted(minted: MintedPreview, url: str | None, as_json: bool) -> None:
    link = None if url is None else link_at(url, minted.query)
    until = write_instant(minted.expires_at_ms)
    if as_json:
        print_json(
            {
                "link": link,
                "query": minted.query,
                "token": minted.token,
                "expiresAt": until,
                "keyId": minted.kid,
                "jti": minted.jti,
            }
        )
        return
    click.echo(link or f"?{minted.query}")
    print_note(f"Works until {until}; end it earlier with: fairlot preview --revoke {minted.jti}")


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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
