"""A preview link through the client; what makes a token valid is tested with `Previews`."""

import asyncio
from typing import Any

import pytest

from fairlot import Reason, RequestContext
from fairlot.engine import compile_manifest
from fairlot.manifest import SigningKey, sign_preview
from support.sdk_clients import (
    URL,
    Site,
    a_manifest,
    a_request,
    a_site,
    all_to,
    an_experiment,
    cookies_of,
    sent_by,
)
from support.waiting import wait_for

KEY = SigningKey.from_private_bytes(bytes(range(32)))
JWKS = {"keys": [KEY.public_jwk()]}


def preview_url(site: Site, variant: str = "bold", **claims: Any) -> str:
    fields: dict[str, Any] = {
        "org": "acme",
        "project": "shop",
        "experiment_key": "hero",
        "variant_key": variant,
        "now_s": site.clock.now_ms() // 1000,
        "ttl_s": 900,
        "jti": "t1",
    }
    token = sign_preview(KEY, **fields | claims)
    return f"https://shop.example/?fxpreview=hero:{variant}&fxtoken={token}"


def a_preview(site: Site, cookie: str | None = None, **claims: Any) -> RequestContext:
    return a_request(cookie, url=preview_url(site, **claims))


def test_preview__valid_link__that_variant_and_nothing_stored_or_recorded() -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_preview(site, "fx.hero=control; fx.gone=1")
        result = site.client.treatment_with_preview("hero", "anna", request)
        assert (result.variant_key, result.reason) == ("bold", Reason.PREVIEW)
        assert sent_by(request) == [
            ("Cache-Control", "private, no-store"),
            ("Referrer-Policy", "no-referrer"),
        ]
        assert site.client.exposure("hero", "anna", request) is result
        assert not site.client.expose("hero", "anna", context=request)
        assert not site.client.expose("hero", "anna", decision=result)
        assert site.sink.exposures == []


def test_preview__plain_treatment__never_looks_at_the_link() -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_preview(site)
        assert site.client.treatment("hero", "anna", request).variant_key == "control"
        exposed = site.client.exposure("hero", "anna", request)
        assert exposed.variant_key == "control"
        assert len(site.sink.exposures) == 1


@pytest.mark.parametrize(
    "claims",
    [{"org": "other"}, {"project": "other"}, {"now_s": 1}, {"variant_key": "control"}],
)
def test_preview__token_of_no_use__decided_as_usual_and_told(claims: dict[str, Any]) -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_request(url=preview_url(site, **claims))
        result = site.client.treatment_with_preview("hero", "anna", request)
        assert (result.variant_key, result.reason) == ("control", Reason.BUCKET)
        assert cookies_of(request) == ["fx.hero=control"]
        assert site.faults == {"preview": 1}


@pytest.mark.parametrize("url", [None, "", "https://shop.example/", "not a url?fxtoken=%"])
def test_preview__no_link__decided_as_usual(url: str | None) -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_request(url=url)
        assert site.client.treatment_with_preview("hero", "anna", request).variant_key == "control"
        assert site.faults == {}


def test_preview__link_to_another_experiment__decided_as_usual() -> None:
    with a_site(all_to("control"), an_experiment("price"), preview_jwks=JWKS) as site:
        request = a_preview(site)
        assert site.client.treatment_with_preview("price", "anna", request).reason is Reason.BUCKET


def test_preview__excluded_visitor__sees_it_all_the_same() -> None:
    with a_site(all_to("control"), preview_jwks=JWKS, excluded=True) as site:
        result = site.client.treatment_with_preview("hero", "anna", a_preview(site))
        assert result.reason is Reason.PREVIEW


def test_preview__response_that_raises__counted() -> None:
    class Broken:
        def append(self, name: str, value: str) -> None:
            raise RuntimeError

    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_request(url=preview_url(site), response=Broken())
        assert site.client.treatment_with_preview("hero", "anna", request).variant_key == "bold"
        assert site.faults == {"response": 1}


@pytest.mark.parametrize("subject", ["", None, "x" * 401])
def test_preview__no_subject_id__no_variant(subject: Any) -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        result = site.client.treatment_with_preview("hero", subject, a_preview(site))
        assert (result.variant_key, result.reason) == (None, Reason.INVALID)


@pytest.mark.parametrize("context", [None, "request", 5])
def test_preview__context_that_is_none__no_error(context: Any) -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        result = site.client.treatment_with_preview("hero", "anna", context)
        assert result.reason in (Reason.BUCKET, Reason.INVALID)
        assert (context is None) is (result.variant_key == "control")


def test_preview__awaited__the_same() -> None:
    with a_site(all_to("control"), preview_jwks=JWKS) as site:
        request = a_preview(site)
        asked = site.client.atreatment_with_preview("hero", "anna", request)
        assert asyncio.run(asked).variant_key == "bold"


def test_preview__answered_while_the_manifest_is_stale__refreshed_behind_it() -> None:
    with a_site(preview_jwks=JWKS) as site:
        site.client._holding.accept(compile_manifest(a_manifest(all_to("control"))))
        result = site.client.treatment_with_preview("hero", "anna", a_preview(site))
        assert result.reason is Reason.PREVIEW
        wait_for(lambda: [request.url for request in site.requests] == [URL])
