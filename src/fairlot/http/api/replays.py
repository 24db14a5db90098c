"""Whether what was recorded of an experiment is what its manifests draw."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, read
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.replay.report import Replay

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}/replay"


class ReplayQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`listed` disagreements are told one by one; all are counted."""

    listed: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 100


def show(call: Call[ReplayQuery]) -> Outcome:
    # Imported here: numpy and DuckDB, which decisions do without.
    from fairlot.service.replay.asking import replay_stored

    found = replay_stored(
        call.services.store,
        call.tenant,
        call.path["key"],
        call.services.log_folder,
        listed=call.asked.listed,
    )
    return Outcome(found)


ROUTES: Final = (
    read(
        _PATH,
        "Draw every recorded exposure again, from the version of the manifest that it names",
        Scope.READ,
        show,
        {200: Answer("What agrees, what does not and why, and what cannot be told.", (Replay,))},
        query=ReplayQuery,
        apart=True,
    ),
)
