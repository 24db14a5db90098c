"""The Choose face over a snapshot on a shelf: short ways to ask it, and what it left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fairlot.engine import BrokenExperiment, Experiment
from fairlot.events import Conversion, Exposure, Identity
from fairlot.profiles import Identifier, Profile, claim_of_source, subject_identifier
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.snapshot import ProjectServing, Snapshot
from fairlot.warehouse.log import read_conversions, read_exposures, read_identities
from support.asgi import Response
from support.serving import KEY_SECRET, Desk, a_desk, a_project, a_snapshot, an_api_key
from support.waiting import wait_for

PATH = "/v1/default/projects/default"
KEY = f"fx_key_deciders.{KEY_SECRET}"
PHONE = {"sourceId": "app", "profileId": "p1"}
LAPTOP = {"sourceId": "web", "profileId": "w1"}


def a_choosing_snapshot(project: ProjectServing, *others: ProjectServing) -> Snapshot:
    keys = {
        "deciders": an_api_key("decide", "ingest"),
        "readers0": an_api_key("read"),
        "others00": an_api_key("decide", "ingest", project_ids=frozenset({"prj_other"})),
        "rivals00": an_api_key("decide", "ingest", org="rival"),
    }
    return a_snapshot(project, *others, api_keys=keys)


@contextmanager
def choose_bench(
    tmp_path: Path,
    *experiments: Experiment | BrokenExperiment,
    database_url: str | None = None,
    **fields: Any,
) -> "Iterator[ChooseBench]":
    """`fields` are those of the project."""
    snapshot = a_choosing_snapshot(a_project(*experiments, **fields))
    with a_desk(tmp_path, snapshot, database_url=database_url) as desk:
        yield ChooseBench(desk)


@dataclass
class ChooseBench:
    """`desk.clock` stands still. `now` moves it."""

    desk: Desk

    def call(
        self,
        path: str,
        body: Any,
        key: str | None = KEY,
        headers: dict[str, str] | None = None,
    ) -> Response:
        headers = dict(headers or {})
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.desk.client.request("POST", PATH + path, content, headers=headers)

    def ask(self, headers: dict[str, str] | None = None, **fields: Any) -> Response:
        return self.call("/optimization/choose-api", fields, headers=headers)

    def choose(self, who: dict[str, Any] | str = "", **fields: Any) -> dict[str, Any]:
        """The bodies by name, for PHONE unless said otherwise; a text is a user id."""
        identification = {"userId": who} if isinstance(who, str) and who else who or PHONE
        answer = self.ask(identification=identification, **fields)
        assert answer.status == 200, answer.body
        return {each["name"]: each["body"] for each in answer.json["choices"]}

    def together(self, times: int, **fields: Any) -> list[list[str]]:
        """The names that each of so many requests of PHONE at the same time is served."""
        body = msgspec.json.encode({"identification": PHONE, **fields})
        headers = {"Authorization": f"Bearer {KEY}"}
        target = PATH + "/optimization/choose-api"
        client = self.desk.client
        answers = client.together(
            *(client.send("POST", target, body, headers) for _ in range(times))
        )
        return [[each["name"] for each in answer.json["choices"]] for answer in answers]

    def identifiers(self, subject_id: str) -> list[Identifier]:
        return [subject_identifier(subject_id)]

    def reject(self, who: dict[str, str], *, accepted: bool = False) -> None:
        """Or accept."""
        now_ms = self.desk.clock.now_ms = self.desk.clock.now_ms + 1
        self.desk.client.run(
            self.desk.services.profiles.apply(
                Work(
                    "prj_default",
                    claim_of_source(who["sourceId"], who["profileId"]),
                    now_ms,
                    consents=[lambda profile: consented(profile, GENERAL, accepted, now_ms)],
                )
            )
        )

    def refresh_feeds(self) -> None:
        self.desk.services.feeds.refresh_now("prj_default")

    def key_of(self, name: str) -> str:
        return f"fx_key_{name}.{KEY_SECRET}"

    def pass_time(self, ms: int) -> None:
        self.desk.clock.now_ms += ms

    def profile(self, subject_id: str) -> Profile | None:
        """As it is in the database."""
        self._settle()
        found: Profile | None = self.desk.client.run(
            self.desk.services.profiles.find("prj_default", self.identifiers(subject_id))
        )
        return found

    def exposures(self) -> list[Exposure]:
        self._settle()
        return list(read_exposures(self.desk.events_dir))

    def conversions(self) -> list[Conversion]:
        self._settle()
        return list(read_conversions(self.desk.events_dir))

    def identities(self) -> list[Identity]:
        self._settle()
        return list(read_identities(self.desk.events_dir))

    def _settle(self) -> None:
        profiles = self.desk.services.profiles
        assert isinstance(profiles, KnownProfiles)
        wait_for(lambda: profiles.queued == 0)
        wait_for(lambda: self.desk.log.stats.queued == 0)
