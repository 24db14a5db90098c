"""The JSON Schema of experiment files, for editors."""

from fairlot.http.asgi import JSON, Handler, Receive, Reply, Scope
from fairlot.http.services import Services
from fairlot.manifest.schema import read_schema


def schema(_services: Services) -> Handler:
    reply = Reply(200, read_schema().encode(), (JSON, (b"cache-control", b"public, max-age=300")))

    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        return reply

    return answer
