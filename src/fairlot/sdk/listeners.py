"""Who wants to know when a client has refreshed its manifest."""

from collections.abc import Callable
from typing import Final

from fairlot.sdk.faults import Faults

Listener = Callable[[bool], object]


class RefreshListeners:
    """Called in whichever thread refreshed; what a listener raises is reported."""

    def __init__(self, faults: Faults) -> None:
        self._faults: Final = faults
        self._listeners: dict[object, Listener] = {}

    def add(self, listener: Listener) -> Callable[[], None]:
        """The function that takes it off again."""
        entry = object()  # two that are equal are two
        self._listeners[entry] = listener

        def remove() -> None:
            self._listeners.pop(entry, None)

        return remove

    def tell(self, succeeded: bool) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener(succeeded)
            except Exception as fault:  # noqa: BLE001 - the edge to the listener's own code
                self._faults.report("callback", fault)
