"""Which exposures were recorded already: showing a variant again says nothing new."""

from fairlot.events.sent import SentEvent, SentExposure

GENERATION = 50_000
KEPT_S = 24 * 3600.0

RepeatKey = tuple[str, str, str, str | None]


def repeat_key(event: SentEvent) -> RepeatKey | None:
    """What makes two exposures the same; None for an event of which every one counts. A variant
    that could not be shown is told even when it was shown before."""
    if type(event) is not SentExposure or event.failure is not None:
        return None
    return (event.experiment_key, event.subject_id, event.variant_key, event.tenant_id)


class Repeats:
    """Remembers at least the last 50,000 keys and never more than 100,000, each for 24 hours: when
    the young generation is full it becomes the old one, which is forgotten as a whole."""

    def __init__(self) -> None:
        self._young: dict[RepeatKey, float] = {}
        self._old: dict[RepeatKey, float] = {}

    def is_repeated(self, key: RepeatKey, now_s: float) -> bool:
        """False also makes `key` remembered."""
        since_s = self._young.get(key)
        if since_s is None:
            since_s = self._old.get(key)
        if since_s is not None and now_s - since_s < KEPT_S:
            return True
        if len(self._young) >= GENERATION:
            self._young, self._old = {}, self._young
        self._young[key] = now_s
        return False

    def forget(self, key: RepeatKey) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
