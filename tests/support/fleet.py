"""Many clients of the SDK on one server, watched all the time, and whoever operates the server."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlot import Client
from fairlot.cli.control import ControlClient, organization_path, project_path, remote_control
from fairlot.manifest import ManifestRefused, RefusalReason, verify_manifest
from fairlot.manifest.signing import signer_of
from fairlot.sdk.transport import HttpRequest, HttpResponse, UrllibTransport
from support.processes import ServerProcess
from support.waiting import wait_for

REFRESH_S = 0.25


class Member(Client):
    """A client behind a proxy of its own, which may go on to serve an old manifest, or none."""

    def __init__(self, server: ServerProcess, name: str, cache: Path | None = None) -> None:
        self.name = name
        self.told: list[Exception] = []
        self.replayed: bytes | None = None
        self.is_cut_off = False
        self._send = UrllibTransport()
        super().__init__(
            f"{server.url}/v1/default/manifest.json",
            refresh_interval_s=REFRESH_S,
            transport=self._through_proxy,
            manifest_cache=cache,
        )
        self._report = self._source._report
        self._source._report = self._listen  # `on_refresh_error` hears of a kind once a minute

    def _listen(self, error: Exception) -> None:
        self.told.append(error)
        self._report(error)

    def _through_proxy(self, request: HttpRequest) -> HttpResponse:
        if self.is_cut_off:
            raise OSError("cut off")
        if self.replayed is not None and request.url.endswith("manifest.json"):
            return HttpResponse(200, {}, self.replayed)
        return self._send(request)

    @property
    def document(self) -> bytes | None:
        """The signed manifest that it decides by."""
        held = self._source._state.held
        return None if held is None else held.document

    @property
    def version(self) -> int | None:
        return self.treatment("hero", "anna").manifest_version

    @property
    def refusals(self) -> set[RefusalReason]:
        return {error.reason for error in self.told if isinstance(error, ManifestRefused)}


@dataclass
class Operator:
    """Works on the server from afar. `keys` are all that ever were published, by id; `believed` the
    ids of those that are."""

    control: ControlClient
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    believed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, server: ServerProcess, key: str) -> "Operator":
        operator = cls(remote_control(server.url, key))
        operator.look()
        return operator

    def look(self) -> None:
        document = self.control.request(
            "GET", project_path("default", "default", "static-manifest")
        )
        published = {each["kid"]: each for each in document.json["jwks"]["keys"]}
        self.keys |= published
        self.believed = set(published)

    def keys_do(self, verb: str, **fields: Any) -> Any:
        path = organization_path("default", "signing-keys", verb)
        done = self.control.request("POST", path, fields).json
        self.look()
        return done

    def apply(self, text: str) -> None:
        path = project_path("default", "default", "apply")
        self.control.request("POST", path, {"files": [{"path": "hero.yaml", "text": text}]})

    def revoke(self, version: int) -> int:
        """The version that takes its place."""
        path = project_path("default", "default", "manifests", str(version), "revoke")
        published: int = self.control.request("POST", path, {"reason": "test"}).json["published"]
        return published


class Watch(threading.Thread):
    """Has every member decide, over and over, and checks what each then holds."""

    def __init__(self, members: list[Member], operator: Operator) -> None:
        super().__init__()
        self.members, self.operator = members, operator
        self.samples = 0
        self.faults: list[str] = []
        self.ended = threading.Event()
        self._verified: set[bytes] = set()

    def run(self) -> None:
        while not self.ended.is_set():
            for member in self.members:
                believed = set(self.operator.believed)
                result, document = member.treatment("hero", "anna"), member.document
                if result.variant_key is None or document is None:
                    self.faults.append(f"{member.name}: nothing to decide by ({result.reason})")
                elif problem := self._problem_of(document, believed | self.operator.believed):
                    self.faults.append(f"{member.name}: {problem}")
                self.samples += 1
            self.ended.wait(0.05)

    def __enter__(self) -> "Watch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.join(30)

    def _problem_of(self, document: bytes, believed: set[str]) -> str | None:
        signer = signer_of(document)
        if signer not in believed:
            return f"holds what {signer} has signed, which is retired"
        if document not in self._verified:
            verify_manifest(document, {"keys": list(self.operator.keys.values())})
            self._verified.add(document)
        return None


def wait_until_all_hold(members: list[Member], version: int) -> None:
    def hold() -> bool:
        return {member.version for member in members} == {version}

    wait_for(hold)
