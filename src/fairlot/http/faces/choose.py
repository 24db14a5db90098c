"""The Choose face: Intempt's endpoint over our decisions."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fairlot.engine import Decision
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.body import read_body
from fairlot.http.faces.choose_wire import encode_choice, read_question
from fairlot.http.faces.intempt import admitted
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import invalid_fields, not_found, unavailable
from fairlot.http.services import Services
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.choosing import Chooser, Chosen, UnknownUser
from fairlot.service.profiles import ChangeRefused, ProfilesUnavailable
from fairlot.service.snapshot import Snapshot
from fairlot.warehouse.log import LogUnavailable

_HEADERS: Final = (JSON, NO_STORE)
_NOTHING: Final = Reply(200, b'{"choices":[]}', _HEADERS)


def choose(services: Services) -> Handler:
    """POST /v1/{org}/projects/{project}/optimization/choose-api"""
    return ChooseFace(services).answer


class _Encoded(NamedTuple):
    """A choice with the payload as it is, and how its decision is counted."""

    decision: Decision
    body: Any
    encoded: bytes
    counted_as: tuple[str, str]


class ChooseFace:
    """`_encoded` keeps the choices of the current snapshot, by the identity of the decisions that
    the engine shares."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decisions = services.decisions
        self._counted = services.counts.decisions
        self._chooser = Chooser(
            services.decisions, services.profiles, services.feeds, services.privacy, services.log
        )
        self._encoded: dict[int, _Encoded] = {}
        self._kinds: dict[tuple[str, str], tuple[str, str]] = {}
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
        except ChangeRefused as error:
            raise invalid_fields(str(error)) from None
        except LogUnavailable:
            raise unavailable("the event log cannot take the exposures; try again") from None
        return self._reply(chosen)

    def _reply(self, chosen: Sequence[Chosen]) -> Reply:
        if self._encoded_of is not self._decisions.snapshot:
            self._encoded = {}
            self._encoded_of = self._decisions.snapshot
        encoded, counted = self._encoded, self._counted
        choices = []
        kind, count = None, 0  # runs of one kind are counted at once
        for each in chosen:
            known = encoded.get(id(each.decision))
            if known is None or known.decision is not each.decision:
                known = self._encode(each)
            if known.counted_as is not kind:
                if kind is not None:
                    counted[kind] += count
                kind, count = known.counted_as, 0
            count += 1
            is_own = each.body is not known.body
            choices.append(encode_choice(each) if is_own else known.encoded)
        if kind is not None:
            counted[kind] += count
        return Reply.of_json(b'{"choices":[%b]}' % b",".join(choices))

    def _encode(self, chosen: Chosen) -> "_Encoded":
        decision = chosen.decision
        experiment, variant = decision.experiment, decision.variant
        payload = None if variant is None else variant.payload
        kind = "unknown" if experiment is None else experiment.type.value
        counted_as = kind, decision.reason.value
        made = _Encoded(
            decision,
            payload,
            encode_choice(Chosen(decision, payload)),
            self._kinds.setdefault(counted_as, counted_as),
        )
        self._encoded[id(decision)] = made
        return made
