from dataclasses import replace

import pytest

from fairlot.sdk.endpoints import Endpoints, shown_url
from fairlot.sdk.errors import InvalidOption

ORIGIN = "https://m.example:8443"


def refusal_of(url: object, **options: str) -> InvalidOption:
    with pytest.raises(InvalidOption) as caught:
        Endpoints.of(url, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("path", "project", "named"),
    [
        ("/v1/acme/shop/manifest.json", "shop", "acme/shop"),
        ("/v1/acme/manifest.json", "default", "acme"),
        ("/acme/manifest", "default", "acme"),
    ],
)
def test_endpoints__form_of_the_api__all_are_derived(path: str, project: str, named: str) -> None:
    endpoints = Endpoints.of(ORIGIN + path)
    assert endpoints == Endpoints(
        manifest=ORIGIN + path,
        jwks=f"{ORIGIN}/.well-known/jwks/acme",
        preview_jwks=f"{ORIGIN}/.well-known/jwks/acme",
        revocations=f"{ORIGIN}/.well-known/revocations/acme",
        events=f"{ORIGIN}/api/v1/orgs/acme/projects/{project}/events",
        draft=f"{ORIGIN}/v1/{named}/preview.json",
        org="acme",
        project=project,
    )
    assert not endpoints.is_static


@pytest.mark.parametrize(
    "path", ["/fx/manifest.json", "/manifest.json", "/a/v1/acme/manifest.json"]
)
def test_endpoints__any_other_path__is_static_with_its_keys_beside_it(path: str) -> None:
    endpoints = Endpoints.of(f"{ORIGIN}{path}?sig=x")
    folder = ORIGIN + path.removesuffix("/manifest.json")
    assert endpoints == Endpoints(
        manifest=f"{ORIGIN}{path}?sig=x",
        jwks=f"{folder}/jwks.json",
        preview_jwks=f"{folder}/jwks.json",
        revocations=f"{folder}/revocations.json",
        events=None,
        draft=None,
        org=None,
        project=None,
    )
    assert endpoints.is_static


@pytest.mark.parametrize("url", ["https://m.example/acme/manifest", "http://127.0.0.1:1/m.json"])
def test_endpoints__given_by_options__replace_the_derived(url: str) -> None:
    given = Endpoints.of(url, preview_jwks_url="https://k/j", events_url="https://e/v")
    plain = Endpoints.of(url)
    assert given == replace(plain, preview_jwks="https://k/j", events="https://e/v")


def test_endpoints__escaped_names__are_unescaped_and_stay_escaped_in_urls() -> None:
    endpoints = Endpoints.of("https://m.example/v1/a%2Fb/c%20d/manifest.json")
    assert (endpoints.org, endpoints.project) == ("a/b", "c d")
    assert endpoints.jwks == "https://m.example/.well-known/jwks/a%2Fb"
    assert endpoints.draft == "https://m.example/v1/a%2Fb/c%20d/preview.json"


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        (None, "write a URL"),
        (b"https://m.example/m.json", "write a URL"),
        ("", "write a URL of http or https"),
        ("m.example/acme/manifest", "write a URL of http or https"),
        ("ftp://m.example/m.json", "write a URL of http or https"),
        ("file:///etc/m.json", "write a URL of http or https"),
        ("https:///m.json", "write a URL of http or https"),
        ("https://m.example:99999/m.json", "write a URL"),
        ("https://m.example:0/m.json", "write a URL"),
        ("https://[::1/m.json", "write a URL"),
        ("https://m.example", "name the document"),
        ("https://m.example/v1/acme/", "name the document"),
        ("https://m.example/m.json#top", "remove the #"),
        ("https://m.example/ä.json", "percent-encode"),
        ("https://m.example/a b.json", "percent-encode"),
        ("https://m.example/m.json\r\nX: y", "percent-encode"),
    ],
)
def test_endpoints__no_usable_url__is_refused_with_the_fix(url: object, fix: str) -> None:
    refused = refusal_of(url)
    assert (refused.option, refused.value, refused.code) == ("manifest_url", url, "invalid_option")
    assert fix in refused.fix
    assert str(refused).startswith("manifest_url: ")


@pytest.mark.parametrize("option", ["preview_jwks_url", "events_url"])
def test_endpoints__other_option_no_url__is_named(option: str) -> None:
    assert refusal_of("https://m.example/m.json", **{option: "x"}).option == option


def test_endpoints__password_in_the_url__is_refused_and_not_shown() -> None:
    refused = refusal_of("https://user:secret@m.example/m.json")
    assert "api_key" in refused.fix
    assert "secret" not in str(refused)


def test_shown_url__query__is_left_out() -> None:
    assert shown_url("https://m.example/m.json?sig=secret") == "https://m.example/m.json"
