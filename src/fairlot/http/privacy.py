"""The Global Privacy Control: https://www.w3.org/TR/gpc/"""

from typing import Protocol

from fairlot.http.asgi import Scope, header


class HonoursGpc(Protocol):
    @property
    def honours_gpc(self) -> bool: ...


def wants_privacy(scope: Scope, project: HonoursGpc) -> bool:
    """Whether the request says `Sec-GPC: 1`, in a project that honours it: then it is recorded
    without details, and no attributes are stored."""
    return project.honours_gpc and header(scope, b"sec-gpc") == b"1"
