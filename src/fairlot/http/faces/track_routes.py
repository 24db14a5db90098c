"""The routes of track, identify and batch."""

from typing import Final

from fairlot.http.faces import track
from fairlot.http.faces.origins import preflight
from fairlot.http.faces.track_wire import (
    BATCH_BYTES,
    ROW_BYTES,
    BatchRequest,
    BatchTaken,
    IdentifyRequest,
    Taken,
    TrackRequest,
)
from fairlot.http.problems import ingest_reply
from fairlot.http.registry import Answer, Auth, Route

_ERRORS: Final = (400, 401, 413, 415, 429, 503)
_HEADERS: Final = ("Cache-Control",)
_TAKEN: Final = {200: Answer("It is on disk.", (Taken,), headers=_HEADERS)}
_BATCH_TAKEN: Final = {
    200: Answer("Every row is on disk.", (BatchTaken,), headers=_HEADERS),
    207: Answer("The rows that succeeded are on disk.", (BatchTaken,), headers=_HEADERS),
}
_MAY_POST: Final = {
    204: Answer(
        "Pages of the origin may post here if the header says so.",
        media=None,
        headers=("Access-Control-Allow-Origin",),
    )
}


def _preflight(path: str) -> Route:
    summary = "Whether pages of an origin may post here"
    return Route("OPTIONS", path, summary, preflight, _MAY_POST, shape=ingest_reply)


ROUTES: Final = (
    Route(
        "POST",
        track.TRACK,
        "Record that somebody did something",
        track.track,
        _TAKEN,
        request=TrackRequest,
        auth=Auth.TOKEN_IN_BODY,
        body_limit=ROW_BYTES,
        errors=_ERRORS,
        shape=ingest_reply,
    ),
    Route(
        "POST",
        track.IDENTIFY,
        "Record what is known of somebody",
        track.identify,
        _TAKEN,
        request=IdentifyRequest,
        auth=Auth.TOKEN_IN_BODY,
        body_limit=ROW_BYTES,
        errors=_ERRORS,
        shape=ingest_reply,
    ),
    Route(
        "POST",
        track.BATCH,
        "Record a batch of what people did",
        track.batch,
        _BATCH_TAKEN,
        request=BatchRequest,
        auth=Auth.TOKEN_IN_BODY,
        body_limit=BATCH_BYTES,
        errors=_ERRORS,
        shape=ingest_reply,
    ),
    *(_preflight(path) for path in (track.TRACK, track.IDENTIFY, track.BATCH)),
)
