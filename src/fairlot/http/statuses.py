"""What each error of a use case is over HTTP: one line, its status. Its `code` and its message are
those of the error, at the command line and here."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from fairlot.engine.errors import FairlotError
from fairlot.http.problems import Problem, Refused, store_unavailable, unavailable
from fairlot.manifest import InvalidPreview
from fairlot.manifest.instants import write_instant
from fairlot.service.access import UnknownTenant
from fairlot.service.api_keys import InvalidScopes, ScopesNotHeld, UnknownKey
from fairlot.service.ends import HasEnded, InvalidEnd, LaterEnd
from fairlot.service.feeds import InvalidProduct, RefreshRunning, UnknownFeed, UnknownProduct
from fairlot.service.key_rotation import NoNextKey, NotTheNextKey, RotatedMomentsAgo, TooEarly
from fairlot.service.lifecycle import ActionRefused
from fairlot.service.origins import InvalidOrigins
from fairlot.service.previews import NotPreviewable
from fairlot.service.privacy.whom import SeveralCalledSo
from fairlot.service.profiles import ChangeRefused, ProfilesUnavailable
from fairlot.service.projects import InvalidProjectKey, ProjectExists, UnknownTimeZone
from fairlot.service.questions import NothingPublished, NotServed, UnknownExperiment
from fairlot.service.refusals import (
    MissingScope,
    NotDeletable,
    NotThere,
    ReasonMissing,
    StalePlan,
)
from fairlot.service.refusals import Refused as ApplyRefused
from fairlot.service.results import AsOfBeforeStart, InvalidSegment, NotStarted
from fairlot.service.results.dropping import NothingToDrop
from fairlot.service.results.engines import NoWarehouse, UnusableEngine, WarehouseUnusable
from fairlot.service.results.errors import (
    ResultFailed,
    TooManySegments,
    UnknownMetric,
    UnusableMetric,
)
from fairlot.service.tokens import UnknownToken
from fairlot.service.versions import UnknownVersion
from fairlot.store import StoreFailed
from fairlot.warehouse.errors import DamagedLake, UnusableLogFile
from fairlot.warehouse.log import LogUnavailable
from fairlot.warehouse.queries.errors import QueryFailed, UnusableQuestion

STATUSES: Final[Mapping[type[FairlotError], int]] = {
    UnknownTenant: 404,
    UnknownFeed: 404,
    UnknownProduct: 404,
    InvalidProduct: 400,
    RefreshRunning: 409,
    UnknownKey: 404,
    UnknownToken: 404,
    NotPreviewable: 404,
    InvalidPreview: 400,
    InvalidScopes: 400,
    ScopesNotHeld: 403,
    InvalidEnd: 400,
    InvalidOrigins: 400,
    LaterEnd: 409,
    HasEnded: 409,
    UnknownVersion: 404,
    NoNextKey: 409,
    NotTheNextKey: 409,
    TooEarly: 409,
    RotatedMomentsAgo: 409,
    InvalidProjectKey: 400,
    ProjectExists: 409,
    ApplyRefused: 422,
    StalePlan: 409,
    ActionRefused: 409,
    NotThere: 404,
    ChangeRefused: 400,
    NotDeletable: 409,
    SeveralCalledSo: 409,
    ReasonMissing: 400,
    MissingScope: 403,
    UnusableLogFile: 503,
    DamagedLake: 503,
    NothingPublished: 404,
    UnknownExperiment: 404,
    NotServed: 409,
    UnknownTimeZone: 400,
    NotStarted: 409,
    QueryFailed: 503,
    UnusableQuestion: 400,
    InvalidSegment: 400,
    AsOfBeforeStart: 400,
    ResultFailed: 503,
    UnusableMetric: 409,
    NothingToDrop: 409,
    TooManySegments: 400,
    UnknownMetric: 404,
    UnusableEngine: 400,
    NoWarehouse: 409,
    WarehouseUnusable: 503,
}
"""An error that is not here, nor one of its bases, is a fault of ours: 500."""

_MEMBERS: Final[Mapping[type[FairlotError], Callable[[Any], Mapping[str, Any]]]] = {
    NotServed: lambda error: {"experimentStatus": error.status},
    TooEarly: lambda error: {"readyAt": write_instant(error.ready_at_ms)},
    RotatedMomentsAgo: lambda error: {"next": error.kid},
    ApplyRefused: lambda error: {"problems": [asdict(each) for each in error.problems]},
    ActionRefused: lambda error: {"state": error.state},
    SeveralCalledSo: lambda error: {"subjects": error.subject_ids},
    MissingScope: lambda error: {"scope": error.scope},
}
"""What the problem of an error holds beside its message."""


def refused(error: FairlotError) -> FairlotError:
    """What to raise in its place: a refusal, or the error itself when nobody could have known."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, StoreFailed):
        return store_unavailable(error)
    if isinstance(error, LogUnavailable | ProfilesUnavailable):
        return unavailable(str(error))
    for kind in type(error).__mro__:
        status = STATUSES.get(kind)
        if status is not None:
            members = _MEMBERS.get(kind)
            extra = {} if members is None else members(error)
            return Refused(Problem(status, error.code, str(error), extra=extra))
    return error


def known_codes() -> tuple[str, ...]:
    """The codes of all errors of the table."""
    return tuple(sorted({kind.code for kind in STATUSES}))
