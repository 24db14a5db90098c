"""Preview tokens over HTTP, over a real store: signing, revoking, and the drafts they open."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import Experiment
from fairlot.http.throttle import Policy
from fairlot.manifest import DocumentType, SigningKey, sign_preview, verify_manifest, verify_preview
from fairlot.service.access import existing_project
from fairlot.service.actors import Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.previews import mint_preview
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store, StoreFailed
from fairlot.store.tenants import ProjectRow, add_project, organization_id
from support.applying import apply_texts
from support.asgi import Response
from support.credentials import create_key
from support.serving import NOW_MS, Desk, NoStore, a_desk
from support.tables import open_with_tables

HERO = "key: hero\nname: Hero\nstatus: draft\nvariants: [{key: a, name: A}, {key: bold, name: B}]\n"
SIGN = "/api/v1/orgs/default/preview/sign"
REVOKE = "/api/v1/orgs/default/preview/revoke"
DRAFT = "/v1/default/preview.json"
ASKED = {"experimentKey": "hero", "variantKey": "bold"}


@dataclass
class Bench:
    desk: Desk
    store: Store
    keys: dict[str, str]

    def post(self, path: str, body: Any, key: str = "writer", **headers: str) -> Response:
        return self.desk.client.post(
            path, body, Authorization=f"Bearer {self.keys[key]}", **headers
        )

    def draft(self, token: str, path: str = DRAFT) -> Response:
        return self.desk.client.get(path, Authorization=f"Bearer {token}")

    def follow(self) -> None:
        self.desk.publish(load_snapshot(self.store, now_ms=self.desk.clock.now_ms))

    @property
    def jwks(self) -> Any:
        return self.desk.client.get("/.well-known/jwks/default").json


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[Bench]:
    with closing(
        open_with_tables(tmp_path / "data", "a secret of the operator", database_url)
    ) as store:
        bootstrap(store, now_ms=NOW_MS)
        with store.writing() as connection:
            owner = organization_id(connection, "default")
            assert owner is not None
            add_project(connection, ProjectRow("prj_2", "staging", owner, "default"), NOW_MS)
        for project in ("default", "staging"):
            apply_texts(store, HERO, project=project, now_ms=NOW_MS)
        keys = {
            "writer": create_key(store, "default", scopes=[Scope.WRITE]).text,
            "reader": create_key(store, "default", scopes=[Scope.READ]).text,
            "staging": create_key(store, "default", scopes=[Scope.WRITE], project="staging").text,
        }
        with a_desk(tmp_path, load_snapshot(store), store=store) as desk:
            yield Bench(desk, store, keys)


def signed(bench: Bench, **fields: Any) -> str:
    answer = bench.post(SIGN, {**ASKED, **fields})
    assert answer.status == 200, answer.body
    token: str = answer.json["token"]
    return token


def test_sign__a_draft__gives_a_token_that_verifies(bench: Bench) -> None:
    answer = bench.post(SIGN, ASKED)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json
    assert body.keys() == {"token", "expiresAt", "keyId", "jti", "query"}
    assert body["expiresAt"] == "2023-11-14T22:28:20.000Z"
    assert body["query"] == f"fxpreview=hero:bold&fxtoken={body['token']}"
    claims = verify_preview(
        body["token"],
        bench.jwks,
        org="default",
        project="default",
        experiment_key="hero",
        variant_key="bold",
        now_s=NOW_MS / 1000,
    )
    assert (claims.jti, claims.kid) == (body["jti"], body["keyId"])


def test_sign__experiment_id__may_be_the_id_or_the_key(bench: Bench) -> None:
    with bench.store.reading() as connection:
        rows = connection.exec_driver_sql(
            "SELECT id FROM experiments WHERE project_id != 'prj_2'"
        ).scalars()
        (own_id,) = rows
    for named in (own_id, "hero"):
        body = {"experimentId": named, "variantKey": "bold"}
        assert bench.post(SIGN, body).status == 200


def test_sign__ttl_and_project__are_those_asked_for(bench: Bench) -> None:
    answer = bench.post(SIGN, {**ASKED, "ttlSeconds": 60, "project": "staging"})
    assert answer.json["expiresAt"] == "2023-11-14T22:14:20.000Z"
    assert bench.draft(answer.json["token"], "/v1/default/staging/preview.json").status == 200
    by_header = bench.post(SIGN, ASKED, X_Fairlot_Project="staging").json["token"]
    assert bench.draft(by_header, "/v1/default/staging/preview.json").status == 200


def test_sign__key_used__is_noted(bench: Bench) -> None:
    signed(bench)
    (used,) = bench.desk.services.uses.keys
    assert bench.keys["writer"].startswith(f"fx_key_{used}.")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        ([], "the body: []: write an object"),
        ({}, "variantKey"),
        ({"variantKey": "bold"}, "experimentId, experimentKey: give one of the two"),
        ({**ASKED, "experimentId": "hero"}, "give one of the two"),
        ({**ASKED, "variantKey": 5}, "variantKey: "),
        ({**ASKED, "variantKey": ""}, "variantKey: "),
        ({**ASKED, "ttlSeconds": 0}, "ttlSeconds: "),
        ({**ASKED, "ttlSeconds": 604801}, "from 1 to 604,800"),
        ({**ASKED, "ttlSeconds": "15m"}, "ttlSeconds: "),
        ({**ASKED, "ttl": 900}, "ttl: "),
    ],
)
def test_sign__body_that_does_not_fit__is_a_400_problem(bench: Bench, body: Any, told: str) -> None:
    answer = bench.post(SIGN, body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert told in answer.json["detail"]


def test_sign__body_over_64_kib__is_a_413_problem(bench: Bench) -> None:
    assert bench.post(SIGN, b" " * 70_000).status == 413


@pytest.mark.parametrize(
    ("fields", "code", "told"),
    [
        ({"experimentKey": "hreo"}, "not_previewable", "did you mean hero?"),
        ({"variantKey": "bald"}, "not_previewable", "did you mean bold?"),
        ({"project": "nope"}, "unknown_tenant", "default/nope: does not exist"),
    ],
)
def test_sign__no_such_thing__is_a_404_problem(
    bench: Bench, fields: dict[str, Any], code: str, told: str
) -> None:
    answer = bench.post(SIGN, {**ASKED, **fields})
    assert (answer.status, answer.json["code"]) == (404, code)
    assert told in answer.json["detail"]


@pytest.mark.parametrize(("path", "body"), [(SIGN, ASKED), (REVOKE, {"jti": "prv_1"})])
def test_previews__without_the_right_key__are_refused(bench: Bench, path: str, body: Any) -> None:
    assert bench.desk.client.post(path, body).status == 401
    wrong = {"Authorization": "Bearer fx_key_writer00.rubbish"}
    assert bench.desk.client.post(path, body, **wrong).status == 401
    assert bench.post(path, body, "reader").status == 403
    assert bench.post(path.replace("default", "other"), body).status == 404


def test_sign__key_of_another_project__learns_nothing(bench: Bench) -> None:
    assert bench.post(SIGN, ASKED, "staging").status == 404
    assert bench.post(SIGN, {**ASKED, "project": "staging"}, "staging").status == 200


def test_revoke__a_token__is_listed_and_opens_nothing_more(bench: Bench) -> None:
    token = signed(bench)
    jti = bench.post(SIGN, ASKED).json["jti"]
    assert bench.draft(token).status == 200
    for mine in (jti, verify_jti(bench, token)):
        answer = bench.post(REVOKE, {"jti": mine})
        assert (answer.status, answer.json) == (200, {"jti": mine, "revoked": True})
    bench.follow()
    document = bench.desk.client.get("/.well-known/revocations/default").json
    assert document["revoked"] == {}
    assert sorted(document["previews"]) == sorted([jti, verify_jti(bench, token)])
    refused = bench.draft(token)
    assert refused.status == 401
    assert "revoked" in refused.json["detail"]


def verify_jti(bench: Bench, token: str) -> str:
    return verify_preview(
        token,
        bench.jwks,
        org="default",
        project="default",
        experiment_key="hero",
        variant_key="bold",
        now_s=NOW_MS / 1000,
    ).jti


@pytest.mark.parametrize("body", [{}, {"jti": ""}, {"jti": "a b"}, {"jti": 5}, {"jti": "prv_1\n"}])
def test_revoke__what_is_no_id__is_a_400_problem(bench: Bench, body: Any) -> None:
    answer = bench.post(REVOKE, body)
    assert answer.status == 400
    assert "jti" in answer.json["detail"]


def test_draft__valid_token__is_the_signed_experiment(bench: Bench) -> None:
    answer = bench.draft(signed(bench))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/jose+json")
    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers
    manifest = verify_manifest(answer.body, bench.jwks, document_type=DocumentType.DRAFT)
    (experiment,) = manifest.experiments
    assert isinstance(experiment, Experiment)
    assert (manifest.org, manifest.project, experiment.key) == ("default", "default", "hero")
    assert bench.draft(signed(bench), "/v1/default/default/preview.json").status == 200


Forge = Callable[[Bench], str]
OTHER_KEY = SigningKey.from_private_bytes(bytes(32))


def forged(**fields: Any) -> str:
    here = {"org": "default", "project": "default", "experiment_key": "hero"}
    rest = {"variant_key": "bold", "now_s": NOW_MS // 1000, "ttl_s": 900, "jti": "prv_1"}
    return sign_preview(**{"key": OTHER_KEY, **here, **rest, **fields})


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda _: forged(), "unknown_key"),
        (lambda _: "rubbish", "malformed"),
        (lambda _: "x" * 5000, "too_large"),
        (lambda bench: signed(bench)[:-10], ""),
        (lambda bench: signed(bench, project="staging"), "wrong_audience"),
        (lambda bench: minted_before(bench), "expired"),
    ],
)
def test_draft__token_not_believed__is_a_401_problem(
    bench: Bench, forge: Forge, reason: str
) -> None:
    token = forge(bench)
    answer = bench.draft(token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"
    assert reason in answer.json["detail"]
    assert token not in answer.json["detail"]


def minted_before(bench: Bench) -> str:
    before_ms = NOW_MS - 3_600_000
    with bench.store.reading() as connection:
        project = existing_project(connection, "default", "default")
        return mint_preview(connection, project, "hero", "bold", now_ms=before_ms).token


def test_draft__without_a_token__is_a_401_problem(bench: Bench) -> None:
    assert bench.desk.client.get(DRAFT).status == 401
    assert bench.desk.client.get(DRAFT, Authorization=f"Basic {signed(bench)}").status == 401
    assert bench.desk.client.get(f"{DRAFT}?apiKey={signed(bench)}").status == 401


def test_draft__of_another_organization__tells_nothing_of_it(bench: Bench) -> None:
    there, nowhere = (bench.draft(forged(), path) for path in (DRAFT, "/v1/nobody/preview.json"))
    assert (there.status, there.body) == (nowhere.status, nowhere.body)
    assert nowhere.status == 401


def test_draft__experiment_or_variant_gone__is_a_404_problem(bench: Bench) -> None:
    token = signed(bench)
    apply_texts(bench.store, HERO.replace("bold", "plain"), now_ms=NOW_MS)
    answer = bench.draft(token)
    assert answer.status == 404
    assert answer.json["detail"] == "the experiment or the variant of this link does not exist"


def test_previews__asked_too_often__are_throttled(bench: Bench, tmp_path: Path) -> None:
    snapshot = bench.desk.services.decisions.snapshot
    limits: dict[str, Any] = {"default_tier": "free", "address_policy": Policy("address", 1, 2)}
    with a_desk(tmp_path / "second", snapshot, store=bench.store, **limits) as desk:
        busy = Bench(desk, bench.store, bench.keys)
        drafts = [desk.client.request("GET", DRAFT, address="203.0.113.9").status for _ in range(3)]
        signed_or_revoked = [busy.post(REVOKE, {"jti": "prv_1"}).status for _ in range(100)]
        assert busy.post(SIGN, ASKED).status == 429
    assert drafts == [401, 401, 429]
    assert signed_or_revoked == [200] * 100


class BrokenStore(NoStore):
    def reading(self) -> Any:
        raise StoreFailed(Path("fairlot.db"), "disk I/O error")

    def writing(self, *, keep: bool = True) -> Any:
        raise StoreFailed(Path("fairlot.db"), "disk I/O error")


def test_previews__store_that_fails__is_a_503_problem(bench: Bench, tmp_path: Path) -> None:
    token = signed(bench)
    snapshot = bench.desk.services.decisions.snapshot
    with a_desk(tmp_path / "second", snapshot, store=BrokenStore()) as desk:
        broken = Bench(desk, bench.store, bench.keys)
        answers = [
            broken.post(SIGN, ASKED),
            broken.post(REVOKE, {"jti": "prv_1"}),
            broken.draft(token),
        ]
    assert [(answer.status, answer.headers["retry-after"]) for answer in answers] == [
        (503, "1")
    ] * 3
    assert json.loads(answers[0].body)["code"] == "unavailable"
