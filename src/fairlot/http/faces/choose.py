"""The Choose face: Intempt's endpoint over our decisions."""

from collections.abc import Sequence
from typing import Final

from fairlot.engine import Variant
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.body import read_body
from fairlot.http.faces.choose_wire import encode_choice, read_question
from fairlot.http.faces.intempt import admitted
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import not_found, unavailable
from fairlot.http.services import Services
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.choosing import Chooser, Chosen, UnknownUser
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.snapshot import Snapshot
from fairlot.warehouse.log import LogUnavailable

_HEADERS: Final = (JSON, NO_STORE)
_NOTHING: Final = Reply(200, b'{"choices":[]}', _HEADERS)


def choose(services: Services) -> Handler:
    """POST /v1/{org}/projects/{project}/optimization/choose-api"""
    return ChooseFace(services).answer


class ChooseFace:
    """`_encoded` keeps the choices of the current snapshot, by experiment and the identity of the
    variant."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decisions = services.decisions
        self._counted = services.counts.decisions
        self._chooser = Chooser(
            services.decisions, services.profiles, services.feeds, services.privacy, services.log
        )
        self._encoded: dict[tuple[str, int], tuple[Variant, bytes]] = {}
        self._encoded_of: Snapshot | None = None

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        tenant = admitted(self._services, scope, AccessScope.DECIDE)
        body = await read_body(scope, receive)
        now_ms = self._services.clock_ms()
        project = self._decisions.snapshot.projects.get((tenant.org, tenant.project))
        if project is None:
            read_question(body, now_ms)
            return _NOTHING
        question = read_question(body, now_ms, keeps_private=wants_privacy(scope, project))
        try:
            chosen = await self._chooser.choose(project, question)
        except UnknownUser as error:
            raise not_found(str(error)) from None
        except ProfilesUnavailable as error:
            raise unavailable(str(error)) from None
        except LogUnavailable:
            raise unavailable("the event log cannot take the exposures; try again") from None
        return self._reply(chosen)

    def _reply(self, chosen: Sequence[Chosen]) -> Reply:
        if self._encoded_of is not self._decisions.snapshot:
            self._encoded = {}
            self._encoded_of = self._decisions.snapshot
        choices = b",".join([self._encode(each) for each in chosen])
        return Reply(200, b'{"choices":[%b]}' % choices, _HEADERS)

    def _encode(self, chosen: Chosen) -> bytes:
        decision, body = chosen
        if decision.experiment is not None:
            self._counted[decision.experiment.type, decision.reason] += 1
        if decision.variant is None or body is not decision.variant.payload:
            return encode_choice(chosen)
        place = decision.experiment_key, id(decision.variant)
        known = self._encoded.get(place)
        if known is not None and known[0] is decision.variant:
            return known[1]
        encoded = encode_choice(chosen)
        self._encoded[place] = (decision.variant, encoded)
        return encoded
