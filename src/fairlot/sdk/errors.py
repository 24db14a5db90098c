"""What the SDK raises when a client is made wrongly, and what it reports from then on."""

from typing import ClassVar

from fairlot.engine import FairlotError
from fairlot.engine.errors import shorten


class InvalidOption(FairlotError):
    """An option of `Client` that cannot be used."""

    code = "invalid_option"

    def __init__(self, option: str, value: object, fix: str) -> None:
        self.option = option
        self.value = value
        self.fix = fix
        super().__init__(f"{option}: {shorten(value)}: {fix}")


class DocumentUnavailable(FairlotError):
    """A document could not be fetched; what was fetched before stays in use.

    `status` is None when there was no answer. `retry_after_s` is how long the server wants to be
    left alone, if it says.
    """

    code = "document_unavailable"
    what: ClassVar[str] = "the document"

    def __init__(
        self,
        url: str,
        problem: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.url = url
        self.problem = problem
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.what} at {url} is unavailable: {problem}")


class ManifestUnavailable(DocumentUnavailable):
    code = "manifest_unavailable"
    what = "the manifest"


class KeysUnavailable(DocumentUnavailable):
    code = "keys_unavailable"
    what = "the JWKS"


class RevocationsUnavailable(DocumentUnavailable):
    code = "revocations_unavailable"
    what = "the list of revocations"


class DraftUnavailable(DocumentUnavailable):
    code = "draft_unavailable"
    what = "the draft"


class ManifestCacheFault(FairlotError):
    """The saved manifest could not be read or written; the client goes on without it."""

    code = "manifest_cache"

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"manifest_cache {path}: {problem}")


class RefreshFault(FairlotError):
    """Something broke inside a refresh that should not: a transport of the user's own, mostly."""

    code = "refresh_fault"

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault
        super().__init__(f"refreshing the manifest failed: {type(fault).__name__}: {fault}")
