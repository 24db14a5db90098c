"""What every route of the control plane has in common: who calls, in which transaction, and what a
repeated, a conditional and a paged request mean. A noun's module adds its handlers."""

from fairlot.http.management.call import Call, Outcome
from fairlot.http.management.frame import ask, read, write
from fairlot.http.management.pages import Page, Paging, page_of, page_of_all, position_after
from fairlot.http.management.tenants import named_project

__all__ = [
    "Call",
    "Outcome",
    "Page",
    "Paging",
    "ask",
    "named_project",
    "page_of",
    "page_of_all",
    "position_after",
    "read",
    "write",
]
