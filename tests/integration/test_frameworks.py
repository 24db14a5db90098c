"""The precedence list of the server SDK, step by step, with real cookies over real servers."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import httpx
import mmh3
import pytest

from fairlot import Client, CookieStorage
from fairlot.engine import Audience, Experiment, Manifest, Variant
from fairlot.manifest.keys import SigningKey
from fairlot.manifest.previews import link_query, sign_preview
from support.framework_sites import Site, sites

pytestmark = pytest.mark.slow

FRAMEWORKS = ("fastapi", "django", "flask")
KEY = SigningKey(bytes(range(32)))
NOBODY_LISTENS = "http://127.0.0.1:9/v1/default/manifest.json"


def an_experiment(*, red: int = 5000, blue: int = 5000, **fields: Any) -> Experiment:
    """Variants `red` and `blue` with these weights."""
    variants = (Variant("red", "var_red", weight=red), Variant("blue", "var_blue", weight=blue))
    return Experiment(
        key="hero", salt="hero", id="exp_hero", name="Hero", variants=variants, **fields
    )


def with_rate(experiment: Experiment, variant_key: str, rate_bp: int) -> Experiment:
    """The experiment with the recipe rate of one variant."""
    variants = (
        replace(variant, recipe_sample_rate_bp=rate_bp) if variant.key == variant_key else variant
        for variant in experiment.variants
    )
    return replace(experiment, variants=tuple(variants))


class Adapter:
    """A decision adapter that answers what the request's header says."""

    def __call__(self, request: Any) -> str | None:
        role = None if request.context is None else request.context.header("x-role")
        if role == "raise":
            raise RuntimeError("an adapter of the user's own")
        return role


def a_client() -> Client:
    return Client(
        NOBODY_LISTENS,
        refresh_interval_s=3600,
        storage=CookieStorage(secure=False),
        decision_adapter=Adapter(),
        preview_jwks={"keys": [KEY.public_jwk()]},
        record_exposure=lambda _: None,
    )


class Manifests:
    """Publishes to every site, the version rising."""

    def __init__(self) -> None:
        self.version = 0

    def next(self, *experiments: Experiment) -> Manifest:
        self.version += 1
        return Manifest(
            "default", "default", self.version, "2026-11-24T00:00:00.000Z", experiments, None
        )


class Town:
    """The sites, all of them under one manifest at a time."""

    def __init__(self, found: Mapping[str, Site]) -> None:
        self.sites = found
        self.manifests = Manifests()

    def publish(self, *experiments: Experiment) -> None:
        manifest = self.manifests.next(*experiments)
        for site in self.sites.values():
            site.client.set_manifest(manifest)


class Visitor:
    """A browser: one jar of cookies for all sites, since cookies know no ports."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.http = httpx.Client()

    def asks(self, framework: str, *, query: str = "", role: str | None = None) -> tuple[Any, str]:
        answer = self.response(framework, query=query, role=role).json()
        return answer["variant"], answer["reason"]

    def response(
        self, framework: str, *, query: str = "", role: str | None = None
    ) -> httpx.Response:
        url = f"{self._town.sites[framework].url}/decide?key=hero&{query}"
        response = self.http.get(url, headers={} if role is None else {"X-Role": role})
        response.raise_for_status()
        return response

    @property
    def cookies(self) -> dict[str, str | None]:
        return {cookie.name: cookie.value for cookie in self.http.cookies.jar}

    @property
    def remembered(self) -> str | None:
        return self.cookies.get("fx.hero")


@pytest.fixture(scope="module")
def every_site() -> Iterator[Mapping[str, Site]]:
    with sites(a_client, Manifests().next()) as found:
        yield found


@pytest.fixture
def town(every_site: Mapping[str, Site]) -> Town:
    return Town(every_site)


@pytest.fixture
def visitors(town: Town) -> Iterator[Iterator[Visitor]]:
    """As many as are asked for, each with a new jar."""
    made: list[Visitor] = []

    def some() -> Iterator[Visitor]:
        while True:
            made.append(Visitor(town))
            yield made[-1]

    yield some()
    for visitor in made:
        visitor.http.close()


def preview_query(variant_key: str) -> str:
    token = sign_preview(
        KEY,
        org="default",
        project="default",
        experiment_key="hero",
        variant_key=variant_key,
        now_s=int(time.time()),
        ttl_s=900,
        jti="a-preview",
    )
    return link_query("hero", variant_key, token)


def expected_variant(subject_id: str, red: int) -> str:
    """By the recipe of the design, with the published murmur3 and nothing of ours."""
    hashed = mmh3.hash(f"hero:variant:{subject_id}".encode(), 0, signed=False)
    return "red" if hashed * 10_000 >> 32 < red else "blue"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_1__signed_preview_over_divert_and_sticky__preview(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(framework) == ("red", "bucket")
    town.publish(an_experiment(divert_to="red"))
    response = visitor.response(framework, query=preview_query("blue"))
    assert (response.json()["variant"], response.json()["reason"]) == ("blue", "preview")
    assert response.headers["cache-control"] == "private, no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in response.headers
    assert visitor.asks(framework) == ("red", "divert")
    forged = preview_query("blue")[:-4] + "AAAA"
    assert visitor.asks(framework, query=forged) == ("red", "divert")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_1__preview_where_it_is_not_asked_for__no_preview(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    town.publish(an_experiment(red=10_000, blue=0))
    url = f"{town.sites[framework].url}/expose?key=hero&{preview_query('blue')}"
    answer = next(visitors).http.get(url).json()
    assert (answer["variant"], answer["reason"]) == ("red", "bucket")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_2__divert_over_sticky__divert_while_it_lasts(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(framework) == ("red", "bucket")
    town.publish(an_experiment(red=10_000, blue=0, divert_to="blue"))
    assert visitor.asks(framework) == ("blue", "divert")
    assert visitor.remembered == "red"
    town.publish(an_experiment(red=0, blue=10_000))
    assert visitor.asks(framework) == ("red", "sticky")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_3__sticky_over_sample_rate_adapter_and_weights__sticky(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(framework) == ("red", "bucket")
    nobody = Audience(sample_rate_bp=0)
    town.publish(an_experiment(red=0, blue=10_000, audience=nobody))
    assert visitor.asks(framework, role="blue") == ("red", "sticky")
    assert next(visitors).asks(framework) == (None, "sample")
    town.publish(an_experiment(red=0, blue=10_000))
    assert visitor.asks(framework) == ("red", "sticky")
    assert next(visitors).asks(framework) == ("blue", "bucket")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_4__outside_the_sample_over_adapter__no_variant(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(audience=Audience(sample_rate_bp=0)))
    response = visitor.response(framework, role="blue")
    assert response.json() == {"variant": None, "reason": "sample", "in_experiment": False}
    assert visitor.remembered is None


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("role", [None, "green", "raise"])
def test_step_5__adapter_over_bucketing__adapter_unless_it_knows_nothing(
    framework: str, role: str | None, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(framework, role="blue") == ("blue", "adapter")
    assert visitor.remembered is None
    assert visitor.asks(framework, role=role) == ("red", "bucket")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_6__bucketing__murmur3_of_salt_purpose_and_subject(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    town.publish(an_experiment(red=3000, blue=7000))
    seen = set()
    for _ in range(24):
        visitor = next(visitors)
        variant, reason = visitor.asks(framework)
        assert (variant, reason) == (
            expected_variant(visitor.cookies["fx_sid"] or "", 3000),
            "bucket",
        )
        assert visitor.remembered == variant
        seen.add(variant)
    assert "blue" in seen


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_step_7__recipe_rate_after_bucket_adapter_and_sticky__in_the_test_without_a_variant(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    kept, gated = next(visitors), next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert kept.asks(framework) == ("red", "bucket")
    town.publish(with_rate(an_experiment(red=10_000, blue=0), "red", 0))
    answer = gated.response(framework).json()
    assert answer == {"variant": None, "reason": "recipe", "in_experiment": True}
    assert gated.remembered is None
    assert gated.asks(framework, role="red") == (None, "recipe")
    assert kept.asks(framework) == (None, "recipe")
    assert kept.remembered == "red"


@pytest.mark.parametrize(("first", "second", "third"), list(permutations(FRAMEWORKS)))
def test_sticky__decided_by_one_framework__kept_by_the_others(
    first: str, second: str, third: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(first) == ("red", "bucket")
    subject_id = visitor.cookies["fx_sid"]
    town.publish(an_experiment(red=0, blue=10_000))
    assert next(visitors).asks(first) == ("blue", "bucket")
    for framework in (second, third, first):
        response = visitor.response(framework)
        assert (response.json()["variant"], response.json()["reason"]) == ("red", "sticky")
        assert "set-cookie" not in response.headers
    assert visitor.cookies == {"fx_sid": subject_id, "fx.hero": "red"}


def test_sticky__cookies_of_every_framework__the_same_bytes(
    town: Town, visitors: Iterator[Visitor]
) -> None:
    town.publish(an_experiment(red=10_000, blue=0))
    lines = set()
    for framework in FRAMEWORKS:
        response = next(visitors).response(framework)
        cookies = response.headers.get_list("set-cookie")
        assert len(cookies) == 2
        lines.add(tuple(line for line in cookies if line.startswith("fx.")))
    assert lines == {("fx.hero=red; Path=/; Max-Age=31536000; SameSite=Lax",)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_sticky__experiment_gone__cookie_expired_when_another_is_asked_for(
    framework: str, town: Town, visitors: Iterator[Visitor]
) -> None:
    visitor = next(visitors)
    town.publish(an_experiment(red=10_000, blue=0))
    assert visitor.asks(framework) == ("red", "bucket")
    town.publish(replace(an_experiment(), key="other"))
    visitor.http.get(f"{town.sites[framework].url}/expose?key=other").raise_for_status()
    assert set(visitor.cookies) == {"fx_sid", "fx.other"}
