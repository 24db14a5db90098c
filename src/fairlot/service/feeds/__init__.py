"""Products, and the feeds that recommend them."""

from fairlot.service.feeds.errors import InvalidProduct, RefreshRunning, UnknownFeed, UnknownProduct
from fairlot.service.feeds.incoming import Incoming, read_product
from fairlot.service.feeds.known import FEEDS_SEEN_WITHIN_S, KnownFeeds
from fairlot.service.feeds.port import Feeds
from fairlot.service.feeds.published import PublishedFeeds

__all__ = [
    "FEEDS_SEEN_WITHIN_S",
    "Feeds",
    "Incoming",
    "InvalidProduct",
    "KnownFeeds",
    "PublishedFeeds",
    "RefreshRunning",
    "UnknownFeed",
    "UnknownProduct",
    "read_product",
]
