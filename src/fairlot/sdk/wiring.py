"""The parts of a client that talk to a server, made of its options."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fairlot.sdk.faults import Faults
from fairlot.sdk.holding import Holding
from fairlot.sdk.options import Options
from fairlot.sdk.source import ManifestSource
from fairlot.sdk.transport import Transport

if TYPE_CHECKING:
    from fairlot.sdk.delivery import Delivery
    from fairlot.sdk.previews import Previews


def source_of(
    options: Options,
    transport: Transport,
    holding: Holding,
    faults: Faults,
    refreshed: Callable[[bool], object],
) -> ManifestSource:
    """Fills `holding`, which knows from then on when the next fetch is due."""
    cache = options.manifest_cache
    source = ManifestSource(
        options.endpoints(),
        transport=transport,
        clock=options.clock,
        refresh_interval_s=options.refresh_interval_s,
        timeout_s=options.timeout_s,
        accept=holding.accept,
        report=faults.report_refresh,
        trusted_keys=options.trusted_keys,
        cache=None if cache is None else Path(cache),
        api_key=options.api_key,
        refreshed=refreshed,
    )
    holding.fetch_by(source)
    return source


def delivery_of(options: Options, transport: Transport, faults: Faults) -> "Delivery | None":
    """None where there is no key, or no server."""
    url = options.endpoints().events
    if options.api_key is None or url is None:
        return None
    from fairlot.sdk.delivery import Delivery  # a tenth of what importing the SDK costs

    return Delivery(
        url,
        options.api_key,
        transport=transport,
        clock=options.clock,
        queue_bound=options.queue_bound,
        timeout_s=options.timeout_s,
        report=faults.report,
    )


def previews_of(
    options: Options, transport: Transport, source: ManifestSource, faults: Faults
) -> "Previews":
    from fairlot.sdk.previews import Previews  # most processes never see a link

    given_keys = options.preview_jwks
    return Previews(
        options.endpoints(),
        keys=lambda: source.keys if given_keys is None else given_keys,
        revoked=lambda: source.revoked_previews,
        fetch_keys_soon=source.fetch_keys_soon,
        transport=transport,
        clock=options.clock,
        timeout_s=options.timeout_s,
        report=faults.report,
    )
