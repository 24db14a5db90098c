"""What can go wrong with products and feeds."""

from fairlot.engine.errors import FairlotError


class UnknownFeed(FairlotError):
    """Nobody defined it, and it is none of the built-in ones."""

    code = "unknown_feed"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key}: no such feed; `fairlot feeds list` shows those that there are")


class UnknownProduct(FairlotError):
    code = "unknown_product"

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        super().__init__(f"{product_id}: no such product in this project")


class InvalidProduct(FairlotError):
    """`index` is its place among those that came with it."""

    code = "invalid_product"

    def __init__(self, index: int, problem: str) -> None:
        self.index = index
        self.problem = problem
        super().__init__(f"products[{index}]: {problem}")


class RefreshRunning(FairlotError):
    """Another process refreshes the feeds of the project, and does not end."""

    code = "refresh_running"

    def __init__(self) -> None:
        super().__init__("the feeds are being refreshed already; try again in a minute")
