"""Two workers of one server behind one address, of which one lags behind the other."""

from collections import deque

from fairlot.sdk.transport import HttpRequest, HttpResponse
from support.manifest_host import ManifestHost


class TwoWorkers(ManifestHost):
    """Itself the newer worker; `older` has what there was when it last caught up.

    `turns` says who answers each request to come: "older" or "newer". When it is empty, the newer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.older = ManifestHost()
        self.turns: deque[str] = deque()

    def catch_up(self) -> None:
        self.older.documents = dict(self.documents)

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        is_older = bool(self.turns) and self.turns.popleft() == "older"
        return self.older(request) if is_older else super().__call__(request)
