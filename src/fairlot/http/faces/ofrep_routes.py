"""The routes of the OpenFeature Remote Evaluation Protocol."""

from typing import Final

from fairlot.http.faces import ofrep
from fairlot.http.faces.ofrep_wire import Evaluation, EvaluationRequest, Evaluations
from fairlot.http.problems import ofrep_reply
from fairlot.http.registry import Answer, Auth, Route

_ERRORS: Final = (400, 401, 403, 404, 413, 429, 503)
_CACHED: Final = ("ETag", "Cache-Control")

ROUTES: Final = (
    Route(
        "POST",
        "/ofrep/v1/evaluate/flags/{key}",
        "Evaluate one experiment as an OpenFeature flag; records the exposure",
        ofrep.evaluate,
        {
            200: Answer(
                "The value, or none: then the caller's default holds.",
                (Evaluation,),
                headers=("Cache-Control",),
            )
        },
        request=EvaluationRequest,
        headers=("X-Fairlot-Project",),
        auth=Auth.API_KEY,
        errors=_ERRORS,
        shape=ofrep_reply,
    ),
    Route(
        "POST",
        "/ofrep/v1/evaluate/flags",
        "Evaluate all experiments as OpenFeature flags; records no exposure",
        ofrep.evaluate_all,
        {
            200: Answer("All flags.", (Evaluations,), headers=_CACHED),
            304: Answer("The client has them.", media=None, headers=_CACHED),
        },
        request=EvaluationRequest,
        headers=("X-Fairlot-Project",),
        auth=Auth.API_KEY,
        errors=_ERRORS,
        shape=ofrep_reply,
    ),
)
