"""FastAPI: the middleware of Starlette, and dependencies.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    app = FastAPI()
    app.add_middleware(FairlotMiddleware, client=client)

    @app.get("/")
    def home(context: Context, subject_id: SubjectId):
        result = client.exposure("cta", subject_id, context)

`SubjectId` takes consent for granted. A dependency of your own that asks for it calls
`get_or_create_subject_id(request, consent=...)`; `request_context(request, user=...)` sets what
audiences look at. What `fairlot.integrations.starlette` says of the client and of unhandled
exceptions holds here too.
"""

from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from fairlot import RequestContext
from fairlot.integrations.asgi import FairlotMiddleware
from fairlot.integrations.starlette import get_or_create_subject_id, request_context

__all__ = [
    "Context",
    "FairlotMiddleware",
    "SubjectId",
    "get_or_create_subject_id",
    "request_context",
]


# Not plain functions: FastAPI would send each request through a thread for them.
async def _context(request: HTTPConnection) -> RequestContext:
    return request_context(request)


async def _subject_id(request: HTTPConnection) -> str:
    return get_or_create_subject_id(request)


Context = Annotated[RequestContext, Depends(_context)]
SubjectId = Annotated[str, Depends(_subject_id)]
