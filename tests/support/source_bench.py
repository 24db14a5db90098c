"""A manifest source over a host, with all that it accepted and reported."""

from itertools import repeat
from typing import Any

from fairlot.engine import CompiledManifest
from fairlot.manifest import ManifestRefused, RefusalReason
from fairlot.sdk.errors import ManifestCacheFault
from fairlot.sdk.source import ManifestSource
from fairlot.testing import FrozenClock
from support.manifest_host import ManifestHost

INTERVAL_S = 30.0


class Bench:
    """Draws are the highest, unless `draw` says otherwise."""

    def __init__(self, host: ManifestHost, **options: Any) -> None:
        self.host = host
        self.clock = options.setdefault("clock", FrozenClock())
        self.accepted: list[CompiledManifest | None] = []
        self.reports: list[Exception] = []
        plain: dict[str, Any] = {
            "transport": host,
            "refresh_interval_s": INTERVAL_S,
            "timeout_s": 5.0,
            "accept": self.accepted.append,
            "report": self.reports.append,
            "draw": repeat(1.0).__next__,
        }
        self.source = ManifestSource(host.endpoints, **plain | options)

    @property
    def versions(self) -> list[int | None]:
        return [None if each is None else each.version for each in self.accepted]

    @property
    def refusals(self) -> list[RefusalReason]:
        return [each.reason for each in self.reports if isinstance(each, ManifestRefused)]

    @property
    def faults(self) -> list[str]:
        """What was said of the saved manifest."""
        return [str(each) for each in self.reports if isinstance(each, ManifestCacheFault)]

    def refresh_later(self) -> bool:
        """A refresh an interval on, when the keys may be fetched again."""
        self.clock.advance(INTERVAL_S)
        return self.source.refresh()
