"""What others ask of the feeds."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fairlot.engine import Feed
from fairlot.profiles import Profile
from fairlot.service.feeds.incoming import Incoming
from fairlot.store.profiles.products import Kept


class Feeds(Protocol):
    """The products of all projects and the feeds over them, for one process.

    Values of products are `msgspec.Raw`: their JSON exactly as it came, which msgspec encodes as
    it is. What one process changes, the others see within FEEDS_SEEN_WITHIN_S.
    """

    def defined(self, project_id: str) -> Mapping[str, Feed]:
        """By key, the built-in ones too."""

    async def resolve(
        self,
        project_id: str,
        payload: Any,
        profile: Profile | None,
        product_id: str | None = None,
    ) -> Any:
        """The payload with products in place of each `{"$feed": ...}` in it; of an unknown feed
        there are none."""

    async def products(
        self,
        project_id: str,
        feed_key: str,
        profile: Profile | None,
        *,
        fields: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
        product_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """The products of a feed. Without `fields`, or with none, and without a `limit`, those of
        the feed; at most MAX_LIMIT from an offset of at most MAX_OFFSET. `product_id` is what the
        subject is looking at, which is not recommended. Raises UnknownFeed, and
        ProfilesUnavailable when a product has to be read and cannot be."""

    async def put(self, project_id: str, products: Sequence[Incoming]) -> Kept:
        """Durable when it returns; of two with the same id the last stays. Raises
        ProfilesUnavailable."""
