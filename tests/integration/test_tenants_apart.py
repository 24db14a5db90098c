"""No route tells anything of a project to who holds a key of another one.

Values are planted in one project, and found by a search through the answers to its own key. The
same search through the answers to other keys must find none. Routes come from the registry: a new
one is walked, and has to show a planted value to the right key, or the test fails.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from fairlot.http.registry import Route
from fairlot.http.routes import ROUTES
from fairlot.manifest.base64url import from_base64url
from fairlot.profiles import claim_of_subject
from fairlot.service.actors import Actor, Scope
from fairlot.service.profiles import Work
from fairlot.store.tables import (
    api_keys,
    definitions,
    experiments,
    organizations,
    projects,
    signing_keys,
    tokens,
)
from fairlot.store.tenants import find_project
from support.applying import apply_texts
from support.asgi import Response
from support.control import ControlBench, control_bench
from support.requests import smallest_body
from support.serving import NOW_MS

OWN = "planted-here"
SETTING = '"tier":"standard"'
WORDS = "Zanzibar"
AUTHOR = Actor(f"local:{WORDS} author", frozenset(Scope))
FILES = (
    f"kind: layer\nkey: {OWN}\nname: {WORDS} layer\n",
    f"kind: segment\nkey: {OWN}\nname: {WORDS} segment\nrule: {{tier: pro}}\n",
    f"kind: metric\nkey: {OWN}\nname: {WORDS} metric\ntype: sum\neventName: paid\n",
    f"kind: feed\nkey: {OWN}\nname: {WORDS} feed\nalgorithm: newest\n",
    f"kind: property\nkey: {OWN}\nname: {WORDS} property\nwhen: {{event: paid}}\ntake: count\n",
    f"kind: holdout\nkey: {OWN}\nname: {WORDS} holdout\nrate: 0.01\n",
    f"""
key: {OWN}
name: {WORDS} experiment
description: {WORDS} description
layer: {{key: {OWN}, start: 0, end: 5000}}
metrics: [{OWN}]
variants: [{{key: a, name: {WORDS} variant}}, {{key: b, name: B}}]
""",
)
PROJECT = "/api/v1/orgs/default/projects/default"
# What is public by design: what every client needs to verify a manifest.
PUBLIC = {"GET /.well-known/jwks/{org}", "GET /.well-known/revocations/{org}"}
# Tells numbers of records only.
NOTHING_OF_ITS_OWN = {"GET /api/v1/orgs/{org}/audit/verify"}
# Nobody knows the project of a preview token, so every key of the organization may revoke it.
OF_EVERY_PROJECT = {"POST /api/v1/orgs/{org}/preview/revoke"}
WALKED = [route for route in ROUTES if re.search(r"\{(org|project)\}", route.path)]
CALLERS = ("staging", "rival", None)


@dataclass
class Planted:
    """`needles` are texts of the project default, and what its organization alone holds."""

    bench: ControlBench
    needles: frozenset[str]
    key_id: str
    token_id: str

    def path_of(self, route: Route, org: str = "default", project: str = "default") -> str:
        ids = {
            "org": org,
            "project": project,
            "key": OWN,
            "product": "sku-1",
            "subject": "visitor-1",
            "number": "2",
            "version": "2",
            "source": OWN,
            "id": self.id_in(route.path),
        }
        return re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], route.path)

    def id_in(self, path: str) -> str:
        if "/accounts/" in path:
            return OWN
        return self.token_id if "/tokens" in path else self.key_id

    def ask(self, route: Route, key: str | None, **place: str) -> Response:
        body = smallest_body(route.request)
        headers = {"If_Match": "*"} if "If-Match" in route.headers else {}
        return self.bench.call(route.method, self.path_of(route, **place), body, key, **headers)

    def found(self, route: Route, answer: Response) -> set[str]:
        """The needles in an answer that were not in the question."""
        asked = self.path_of(route) + smallest_body(route.request).decode()
        text = answer.body.decode() + " ".join(answer.headers.values()) + signed_in(answer)
        return {each for each in self.needles if each in text and each not in asked}


def signed_in(answer: Response) -> str:
    """What a signed document says."""
    if answer.headers.get("content-type") != "application/jose+json":
        return ""
    return from_base64url(answer.json["payload"]).decode()


def label(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
def planted(tmp_path: Path, database_url: str | None) -> Iterator[Planted]:
    with control_bench(tmp_path, database_url) as bench:
        first = [text.replace(WORDS, "Plain") for text in FILES]
        for texts in (first, FILES):
            apply_texts(bench.store, *texts, now_ms=NOW_MS, actor=AUTHOR, reason=f"{WORDS} reason")
        changed = bench.call("PATCH", PROJECT, {"private": True, "tier": "standard"})
        assert changed.status == 200
        made = bench.post(
            "/api/v1/orgs/default/keys",
            {"scopes": ["read"], "name": f"{WORDS} key", "projects": ["default"]},
        ).json
        product = {"id": "sku-1", "title": f"{WORDS} product"}
        assert bench.post(f"{PROJECT}/products", {"products": [product]}).status == 200
        assert bench.post(f"{PROJECT}/catalog/refresh").status == 200
        plant_profile(bench)
        (token,) = bench.get(f"{PROJECT}/tokens").json["items"]
        yield Planted(bench, needles_in(bench) | {token["id"]}, made["id"], token["id"])


def plant_profile(bench: ControlBench) -> None:
    said = {"said": f"{WORDS} profile"}
    with bench.store.reading() as connection:
        project = find_project(connection, "default", "default")
    assert project is not None
    work = Work(
        project.id,
        claim_of_subject("visitor-1", user_id=f"{WORDS} user"),
        NOW_MS,
        steps=[lambda profile: msgspec.structs.replace(profile, attributes=said)],
        account_id=OWN,
        account_attributes={"said": f"{WORDS} account"},
    )
    asyncio.run(bench.services.profiles.apply(work))


def needles_in(bench: ControlBench) -> frozenset[str]:
    with bench.store.reading() as connection:

        def texts(column: Any, *owned_by: Any) -> list[str]:
            return list(connection.execute(select(column).where(*owned_by)).scalars())

        (own,) = texts(organizations.c.id, organizations.c.key == "default")
        (project,) = texts(
            projects.c.id, projects.c.organization_id == own, projects.c.key == "default"
        )
        found = [
            own,
            project,
            *texts(tokens.c.token, tokens.c.project_id == project),
            *texts(experiments.c.id, experiments.c.project_id == project),
            *texts(definitions.c.id, definitions.c.project_id == project),
            *texts(api_keys.c.id, api_keys.c.organization_id == own),
            *texts(signing_keys.c.kid, signing_keys.c.organization_id == own),
        ]
    kinds = (
        "feed",
        "product",
        "property",
        "layer",
        "segment",
        "metric",
        "holdout",
        "experiment",
        "description",
        "variant",
        "profile",
        "user",
        "account",
    )
    words = {f"{WORDS} {kind}" for kind in (*kinds, "key", "reason", "author")}
    return frozenset(found) | words | {OWN, SETTING}


def test_search__right_key__finds_the_planted_values(planted: Planted) -> None:
    found: set[str] = set()
    for route in WALKED:
        if route.method != "GET" or "preview.json" in route.path or label(route) in PUBLIC:
            continue
        answer = planted.ask(route, "admin")
        assert answer.status == 200, (label(route), answer.body)
        here = planted.found(route, answer)
        assert here or label(route) in NOTHING_OF_ITS_OWN, label(route)
        found |= here
    assert {each for each in planted.needles if WORDS in each} <= found
    for kind in ("exp_", "org_"):
        assert any(each.startswith(kind) for each in found), kind


def test_search__other_keys__find_nothing_and_change_nothing(planted: Planted) -> None:
    before = everything(planted)
    for route in WALKED:
        for key in CALLERS:
            if label(route) in PUBLIC or (key == "staging" and label(route) in OF_EVERY_PROJECT):
                continue
            answer = planted.ask(route, key)
            assert planted.found(route, answer) == set(), (label(route), key)
            if key != "staging" or "{project}" in route.path:
                assert answer.status in (401, 403, 404), (label(route), key, answer.body)
    assert everything(planted) == before


def everything(planted: Planted) -> dict[str, bytes]:
    """All that the right key can see."""
    return {
        label(route): planted.ask(route, "admin").body for route in WALKED if route.method == "GET"
    }


def test_search__place_of_others__is_answered_as_one_that_is_not_there(planted: Planted) -> None:
    for route in WALKED:
        if label(route) in PUBLIC:
            continue
        for key, place in (("rival", "org"), ("staging", "project"), (None, "project")):
            if f"{{{place}}}" not in route.path:
                continue
            there = planted.ask(route, key)
            nowhere = planted.ask(route, key, **{place: "nowhere"})
            assert there.status == nowhere.status, (label(route), key)
            assert there.body.decode().replace("default", "nowhere") == (
                nowhere.body.decode().replace("default", "nowhere")
            ), (label(route), key)
