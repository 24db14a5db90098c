"""A place for events where a test can look at them."""

from fairlot.events.sent import SentConversion, SentExposure, SentIdentity


class MemorySink:
    """Keeps the events of a client in lists, in the order in which they were recorded.

    Hand its methods to the client: `Client(..., record_exposure=sink.record_exposure,
    record_conversion=sink.record_conversion)`. Threads may share it.
    """

    def __init__(self) -> None:
        self.exposures: list[SentExposure] = []
        self.conversions: list[SentConversion] = []
        self.identities: list[SentIdentity] = []

    def record_exposure(self, event: SentExposure) -> None:
        self.exposures.append(event)

    def record_conversion(self, event: SentConversion | SentIdentity) -> None:
        if isinstance(event, SentIdentity):
            self.identities.append(event)
        else:
            self.conversions.append(event)

    def clear(self) -> None:
        self.exposures.clear()
        self.conversions.clear()
        self.identities.clear()
