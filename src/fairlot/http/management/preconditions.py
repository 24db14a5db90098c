"""`If-Match` and `If-None-Match` over revisions (RFC 9110 section 13); an ETag is `"<number>"`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from fairlot.http.asgi import Scope, header
from fairlot.http.problems import Problem, ProblemCode, Refused

_ANY: Final = "*"
# Entity tags, separated by commas; a weak one never matches (section 13.1.1).
_TAGS: Final = re.compile(r'\s*(?:W/)?"[!#-~]*"\s*(?:,\s*(?:W/)?"[!#-~]*"\s*)*')
_TAG: Final = re.compile(r'(W/)?"([!#-~]*)"')


def etag_of(revision: int) -> str:
    return f'"{revision}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """`matches` are the revisions of `If-Match`, None without that header; `new_only` is
    `If-None-Match: *`."""

    matches: frozenset[str] | None = None
    new_only: bool = False

    def check_replace(
        self, revision: int | None, current: Callable[[], msgspec.Struct | None]
    ) -> None:
        """For PUT and DELETE. `revision` None is: nothing is there. Refused: 428 when something is
        there and the request does not say which revision it replaces, 412 when that is not the
        newest; the problem then holds what `current` gives."""
        if revision is not None and self.matches is None and not self.new_only:
            raise _refused(
                428,
                ProblemCode.PRECONDITION_REQUIRED,
                f'say which revision this replaces: send If-Match: "{revision}" if you have seen'
                " that one",
                revision,
                current,
            )
        self.check(revision, current)

    def check(self, revision: int | None, current: Callable[[], msgspec.Struct | None]) -> None:
        """For an action, which may go without. Refused (412)."""
        if self.new_only and revision is not None:
            detail = "it exists already; read it, and send If-Match with its ETag to replace it"
        elif self.matches is None or self._holds(revision):
            return
        elif revision is None:
            detail = "nothing is there to match; leave If-Match out to create it"
        else:
            detail = (
                f"it was changed meanwhile, and is at revision {revision}; look at `current`,"
                f' bring your change to it, and send If-Match: "{revision}"'
            )
        raise _refused(412, ProblemCode.STALE, detail, revision, current)

    def _holds(self, revision: int | None) -> bool:
        if revision is None or self.matches is None:
            return False
        return _ANY in self.matches or str(revision) in self.matches


def read_precondition(scope: Scope) -> Precondition:
    """Refused (400) for what is no list of entity tags."""
    absent = header(scope, b"if-none-match")
    if absent is not None and absent.strip() != b"*":
        raise _malformed("If-None-Match", "send * to create only, or leave it out")
    return Precondition(_read_matches(header(scope, b"if-match")), absent is not None)


def _read_matches(value: bytes | None) -> frozenset[str] | None:
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if text == _ANY:
        return frozenset({_ANY})
    if _TAGS.fullmatch(text) is None:
        raise _malformed("If-Match", 'send the ETag that you were answered, as in "7"')
    return frozenset(tag for weak, tag in _TAG.findall(text) if not weak)


def _malformed(name: str, fix: str) -> Refused:
    return Refused(Problem(400, ProblemCode.BAD_REQUEST, f"{name}: is malformed; {fix}"))


def _refused(
    status: int,
    code: ProblemCode,
    detail: str,
    revision: int | None,
    current: Callable[[], msgspec.Struct | None],
) -> Refused:
    found = current()
    extra = {} if found is None else {"current": found}
    headers = () if revision is None else ((b"etag", etag_of(revision).encode()),)
    return Refused(Problem(status, code, detail, headers=headers, extra=extra))
