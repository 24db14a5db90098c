"""The routes of Intempt's: Choose, track, consents and feeds."""

from typing import Any, Final

from fairlot.http.faces import choose, intempt_consents, intempt_feeds, intempt_track
from fairlot.http.faces.choose_wire import Choices, ChooseRequest
from fairlot.http.faces.intempt import PATH
from fairlot.http.faces.intempt_consents import ConsentRequest, Stored
from fairlot.http.faces.intempt_feeds import FeedList, FeedProducts, FeedRequest
from fairlot.http.faces.intempt_track_wire import BODY_BYTES, MAX_ROWS, TrackRequest
from fairlot.http.problems import FaceErrors, errors_reply
from fairlot.http.registry import Answer, Auth, Route
from fairlot.service.actors import Scope

_STORED = ("Cache-Control",)
_CHOSEN: Final = {
    200: Answer("What is served; what is not is absent.", (Choices,), headers=_STORED)
}
_TRACKED: Final = {
    201: Answer("All of it is on disk.", media=None, headers=_STORED),
    413: Answer(f"Over {BODY_BYTES >> 20} MiB, or over {MAX_ROWS:,} rows.", (FaceErrors,)),
}
_CONSENTED: Final = {200: Answer("It is stored.", (Stored,), headers=_STORED)}
_RECOMMENDED: Final = {200: Answer("The products of the feed.", (FeedProducts,), headers=_STORED)}
_FEEDS: Final = {200: Answer("The feeds, built-in ones too.", (FeedList,), headers=_STORED)}
_ERRORS: Final = (400, 401, 403, 404, 413, 429, 503)


def _post(path: str, summary: str, scope: Scope, **fields: Any) -> Route:
    return Route(
        "POST",
        PATH + path,
        summary,
        scope=scope,
        auth=Auth.API_KEY,
        errors=_ERRORS,
        shape=errors_reply,
        **fields,
    )


ROUTES: Final = (
    _post(
        "/optimization/choose-api",
        "Decide experiments and personalizations for a profile, by name or group",
        Scope.DECIDE,
        handler=choose.choose,
        answers=_CHOSEN,
        request=ChooseRequest,
    ),
    _post(
        "/sources/{source}/track",
        "Record what users and accounts did at a source",
        Scope.INGEST,
        handler=intempt_track.track,
        answers=_TRACKED,
        request=TrackRequest,
        body_limit=BODY_BYTES,
    ),
    _post(
        "/track",
        "Record what users and accounts did",
        Scope.INGEST,
        handler=intempt_track.track,
        answers=_TRACKED,
        request=TrackRequest,
        body_limit=BODY_BYTES,
    ),
    _post(
        "/consents/data",
        "Store whether a subject may be recorded",
        Scope.INGEST,
        handler=intempt_consents.consent,
        answers=_CONSENTED,
        request=ConsentRequest,
    ),
    _post(
        "/feeds/{key}/data",
        "Recommend the products of a feed",
        Scope.DECIDE,
        handler=intempt_feeds.feed_products,
        answers=_RECOMMENDED,
        request=FeedRequest,
    ),
    Route(
        "GET",
        PATH + "/feeds",
        "The feeds of a project",
        intempt_feeds.list_feeds,
        _FEEDS,
        scope=Scope.DECIDE,
        auth=Auth.API_KEY,
        errors=(401, 403, 404, 429),
        shape=errors_reply,
    ),
)
