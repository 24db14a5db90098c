"""Where the variant that a subject has is remembered between requests."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, Protocol

from fairlot.sdk.codec import (
    YEAR_S,
    CookieAttributes,
    StickyCookies,
    check_prefix,
    is_assignment,
    is_token,
    read_items,
    sticky_cookies_reader,
    vanished,
    write_items,
)
from fairlot.sdk.context import RequestContext, put_cookie, put_header
from fairlot.sdk.errors import InvalidOption

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
SUBJECT_ATTRIBUTE: Final = "__subjectId__"


class StickyStorage(Protocol):
    """A memory of assignments: the four of ours, or one over your own database.

    All three methods run inside a decision: they must not wait for long. What they raise is
    reported, and the decision goes on without a memory. For an experiment that draws by account
    `subject_id` is the account's id.
    """

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        """The remembered variant keys by experiment key; only `get` is called on it."""

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        """Remember a variant; called only when it differs from what `read` gave."""

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        """Remember nothing for the experiment any more."""


class CookieStorage:
    """One cookie an experiment, `fx.<experiment key>=<variant key>`, in the visitor's browser.

    Cookies of experiments that have left the manifest are expired, ten a response at most. Without
    a request context, or with one that has no `response`, nothing is remembered. Raises
    InvalidOption for attributes that browsers refuse.
    """

    def __init__(
        self,
        prefix: str = "fx.",
        *,
        same_site: str = "lax",
        secure: bool = True,
        http_only: bool = False,
        domain: str | None = None,
        partitioned: bool = False,
        max_age_s: int = YEAR_S,
    ) -> None:
        self.attributes = CookieAttributes(
            max_age_s, same_site, secure, http_only, domain, partitioned
        )
        check_prefix(prefix, self.attributes)
        self.prefix = prefix
        self._read_header = sticky_cookies_reader(prefix)

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        if context is None:
            return _NOTHING
        return self.cookies_of(context)

    def cookies_of(self, context: RequestContext) -> StickyCookies:
        """What the request's cookies say, with what was written since."""
        memory: StickyCookies | None = context.memo.get(self)
        if memory is None:
            memory = context.memo[self] = self._read_header(context.header("cookie") or "")
        return memory

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        if context is None or context.response is None:
            return
        found = self.cookies_of(context)
        if found.get(experiment_key) != variant_key and is_assignment(experiment_key, variant_key):
            name = self.prefix + experiment_key
            put_cookie(context, name, self.attributes.line(name, variant_key))
            found[experiment_key] = variant_key

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        if context is not None and experiment_key in self.cookies_of(context):
            self._expire(context, experiment_key)

    def expire_vanished(
        self, context: RequestContext, known: Mapping[str, Any], kept: str | None = None
    ) -> None:
        """Remove the cookies of experiments that are not `known`, once a request; never the cookie
        `kept`."""
        memory = self.cookies_of(context)
        if memory.is_swept or context.response is None:
            return
        memory.is_swept = True
        ours = kept is not None and kept.startswith(self.prefix)
        kept_key = kept[len(self.prefix) :] if kept is not None and ours else None
        for key in vanished(tuple(memory.present), known, kept_key):
            self._expire(context, key)

    def _expire(self, context: RequestContext, key: str) -> None:
        if context.response is not None:
            name = self.prefix + key
            put_cookie(context, name, self.attributes.expiry(name))
            self.cookies_of(context).pop(key, None)


class HeaderStorage:
    """One header for all experiments, `expId1=variant1,expId2=variant2`: read from the request,
    written to the response, carried from one to the next by the caller."""

    def __init__(self, name: str = "fx-assignments") -> None:
        if not is_token(name):
            raise InvalidOption("name", name, "give the name of a header, as in fx-assignments")
        self.name = name
        self._lower_name = name.lower()

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        if context is None:
            return _NOTHING
        changed: Mapping[str, str] | None = context.memo.get(self)
        return read_items(context.header(self._lower_name) or "") if changed is None else changed

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        if context is None or not is_assignment(experiment_key, variant_key):
            return
        items = dict(self.read(context, subject_id))
        if items.get(experiment_key) != variant_key:
            items[experiment_key] = variant_key
            self._put(context, items, experiment_key)

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        items = dict(self.read(context, subject_id))
        if context is not None and items.pop(experiment_key, None) is not None:
            self._put(context, items, None)

    def _put(self, context: RequestContext, items: dict[str, str], changed: str | None) -> None:
        if context.response is None:
            return
        value = write_items(items, changed)
        put_header(context, self.name, value)
        context.memo[self] = read_items(value)


class InMemoryStorage:
    """A dictionary of this process, for tests and for one process that serves everybody.

    Keyed by `user["__subjectId__"]` of the context when it is there, else by the subject id. The
    subject that was first remembered is forgotten when there are more than `most_subjects`.
    """

    def __init__(self, most_subjects: int = 100_000) -> None:
        if type(most_subjects) is not int or most_subjects < 1:
            raise InvalidOption("most_subjects", most_subjects, "give a whole number, 1 or more")
        self._most_subjects = most_subjects
        self._subjects: dict[str, dict[str, str]] = {}

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        return self._subjects.get(_key_of(context, subject_id), _NOTHING)

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        key = _key_of(context, subject_id)
        self._subjects.setdefault(key, {})[experiment_key] = variant_key
        while len(self._subjects) > self._most_subjects:
            # No lock, which a decision would wait for: another thread may have been quicker.
            with suppress(RuntimeError, StopIteration):
                self._subjects.pop(next(iter(self._subjects)), None)

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        self._subjects.get(_key_of(context, subject_id), {}).pop(experiment_key, None)

    def __len__(self) -> int:
        return len(self._subjects)


def _key_of(context: RequestContext | None, subject_id: str) -> str:
    user = None if context is None else context.user
    named = None if user is None else user.get(SUBJECT_ATTRIBUTE)
    return named if isinstance(named, str) and named else subject_id


class NoopStorage:
    """Remembers nothing: every decision is drawn anew, and the same while the draw is."""

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        return _NOTHING

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        """Nothing is kept."""

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        """Nothing was kept."""
