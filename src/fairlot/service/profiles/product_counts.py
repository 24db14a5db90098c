"""What happened to products in one transaction, added up before it is written."""

from collections import defaultdict
from typing import Final

from sqlalchemy import Connection

from fairlot.profiles import Sighting
from fairlot.profiles.products import ProductEvent
from fairlot.store.profiles.products import DayCounts, add_day_counts

DAY_MS: Final = 86_400_000
_COUNTED_IN: Final = {
    ProductEvent.VIEW: "views",
    ProductEvent.CART: "carts",
    ProductEvent.ORDER: "orders",
}


class ProductCounts:
    """Each sighting that it is given counts once, on its day in UTC."""

    def __init__(self) -> None:
        self._by_project: defaultdict[str, dict[tuple[str, int], DayCounts]] = defaultdict(dict)

    def add(self, project_id: str, sighting: Sighting) -> None:
        counts = self._by_project[project_id]
        key = sighting.product_id, sighting.at_ms // DAY_MS
        before = counts.get(key, DayCounts())
        name = _COUNTED_IN[sighting.event]
        counts[key] = before._replace(**{name: getattr(before, name) + sighting.count})

    def write(self, connection: Connection) -> None:
        for project_id, counts in self._by_project.items():
            add_day_counts(connection, project_id, counts)
