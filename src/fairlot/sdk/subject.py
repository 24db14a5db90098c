"""The subject id of a visitor: a cookie that is read, or made where consent allows it."""

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fairlot.sdk.codec import CookieAttributes, is_token, read_cookie
from fairlot.sdk.context import RequestContext, put_cookie
from fairlot.sdk.errors import InvalidOption

if TYPE_CHECKING:
    from fairlot.sdk.client import Client

SUBJECT_COOKIE: Final = "fx_sid"
_USABLE: Final = re.compile(r"[!#-+\--:<-\[\]-~]{1,400}")


@dataclass(frozen=True, slots=True)
class SubjectCookie:
    """Where the subject id stands. A cookie of another name than ours is the site's: it is never
    overwritten."""

    name: str = SUBJECT_COOKIE
    attributes: CookieAttributes = field(default_factory=CookieAttributes)

    def __post_init__(self) -> None:
        if not is_token(self.name):
            fix = f"give the name of a cookie, as in {SUBJECT_COOKIE}"
            raise InvalidOption("subject_cookie", self.name, fix)
        self.attributes.check_name("subject_cookie", self.name)

    def read(self, context: RequestContext) -> str | None:
        value = self._value(context)
        return value if value is not None and _USABLE.fullmatch(value) else None

    def read_or_make(self, context: RequestContext, *, may_set: bool) -> str:
        """One id a request, whether or not it may be set."""
        found = self.read(context)
        if found is not None:
            return found
        owner = (SubjectCookie, self.name)
        made, is_set = context.memo.get(owner) or (str(uuid.uuid4()), False)
        if may_set and not is_set and self._may_write(context):
            put_cookie(context, self.name, self.attributes.line(self.name, made))
            is_set = True
        context.memo[owner] = (made, is_set)
        return made

    def _may_write(self, context: RequestContext) -> bool:
        return self.name == SUBJECT_COOKIE or self._value(context) is None

    def _value(self, context: RequestContext) -> str | None:
        header = context.header("cookie")
        return None if header is None else read_cookie(header, self.name)


def get_or_create_subject_id(
    context: RequestContext,
    *,
    consent: bool = True,
    client: "Client | None" = None,
    cookie: str | None = None,
    attributes: CookieAttributes | None = None,
) -> str:
    """The subject id in the request's cookie, else a new one (UUIDv4 text), which is put on the
    response when there is consent.

    Without consent the id holds for this request only. With `client`, its `subject_cookie` and the
    attributes of its cookie storage are used, and nothing is set for whom it excludes; `cookie` and
    `attributes` take the place of each.
    """
    mine = SubjectCookie() if client is None else client.subject_cookie
    jar = SubjectCookie(cookie or mine.name, attributes or mine.attributes)
    may_set = consent and (client is None or not client.excludes(context))
    try:
        return jar.read_or_make(context, may_set=may_set)
    except Exception as fault:  # noqa: BLE001 - the SDK fails open: headers are the framework's
        if client is not None:
            client.report("subject_id", fault)
        return str(uuid.uuid4())
