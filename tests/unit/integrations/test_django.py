import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseNotModified,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.template import engines
from django.test import AsyncClient, RequestFactory, override_settings
from django.test import Client as Browser
from django.test.client import AsyncRequestFactory

from fairlot.integrations.django import (
    FairlotMiddleware,
    get_or_create_subject_id,
    request_context,
)
from fairlot.integrations.django.middleware import CookieLine, configured_client
from support import django_site
from support.response_kinds import FILE, KINDS, LINES, check, leave_lines
from support.spy_client import SpyClient

django_site.set_up()


def pieces() -> Iterator[bytes]:
    yield b"one"
    yield b"two"


async def late_pieces() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


def response_of(kind: str, stream: Any) -> HttpResponseBase:
    if kind == "missing":
        raise Http404
    if kind == "broken":
        raise RuntimeError("nobody handles this")
    responses: dict[str, Any] = {
        "plain": lambda: HttpResponse("hello"),
        "stream": lambda: StreamingHttpResponse(stream()),
        "denied": lambda: HttpResponseForbidden("no"),
        "redirect": lambda: HttpResponseRedirect("/elsewhere"),
        "file": lambda: FileResponse(FILE.open("rb")),
        "unchanged": HttpResponseNotModified,
    }
    response: HttpResponseBase = responses[kind]()
    response.headers["Cache-Control"] = "public"
    response.set_cookie("own", "1")
    return response


def answer(request: HttpRequest, kind: str) -> HttpResponseBase:
    leave_lines(request_context(request))
    return response_of(kind, pieces)


async def answer_async(request: HttpRequest, kind: str) -> HttpResponseBase:
    leave_lines(request_context(request))
    return response_of(kind, late_pieces)


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    views = {"sync/<kind>": answer, "async/<kind>": answer_async}
    with django_site.routes(views) as urls, override_settings(ROOT_URLCONF=urls):
        yield


def lines_of(response: HttpResponseBase) -> list[tuple[str, str]]:
    """As Django's handlers write them."""
    cookies = [("Set-Cookie", morsel.output(header="")[1:]) for morsel in response.cookies.values()]
    return [*response.items(), *cookies]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("path", ["/sync/", "/async/"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")
def test_django_wsgi__every_kind_of_response__has_the_lines(
    path: str, method: str, kind: str
) -> None:
    response = getattr(Browser(raise_request_exception=False), method)(path + kind)
    own = kind not in ("missing", "broken")
    check(kind, response.status_code, lines_of(response), own=own)
    response.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/sync/", "/async/"])
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_django_asgi__every_kind_of_response__has_the_lines(path: str, kind: str) -> None:
    response = asyncio.run(AsyncClient(raise_request_exception=False).get(path + kind))
    own = kind not in ("missing", "broken")
    check(kind, response.status_code, lines_of(response), own=own)
    response.close()


def test_django__test_client__sends_the_cookies_back() -> None:
    browser = Browser()
    browser.get("/sync/plain")
    request = browser.get("/sync/plain").wsgi_request
    assert request.COOKIES == {"own": "1", "fx.hero": "bold", "fx.cta": "a"}


def test_django__cookie_that_the_view_sets_too__appended() -> None:
    def twice(request: HttpRequest) -> HttpResponse:
        context = request_context(request)
        assert context.response is not None
        context.response.append("Set-Cookie", "own=2; Path=/")
        context.response.append("Set-Cookie", "own=3; Path=/")
        response = HttpResponse()
        response.set_cookie("own", "1")
        return response

    response = FairlotMiddleware(twice)(RequestFactory().get("/"))
    assert isinstance(response, HttpResponse)
    values = [value for name, value in lines_of(response) if name == "Set-Cookie"]
    assert values == ["own=1; Path=/", "own=2; Path=/", "own=3; Path=/"]


def test_django__nobody_asked__response_untouched() -> None:
    response = HttpResponse()
    before = dict(response.items())
    assert FairlotMiddleware(lambda _: response)(RequestFactory().get("/")) is response
    assert (dict(response.items()), dict(response.cookies)) == (before, {})


def test_django__middleware_twice__lines_once() -> None:
    both = FairlotMiddleware(FairlotMiddleware(lambda request: answer(request, "plain")))
    response = both(RequestFactory().get("/"))
    assert isinstance(response, HttpResponse)
    check("plain", response.status_code, lines_of(response))


def test_cookie_line__kept_in_a_cache__the_same_bytes() -> None:
    line = CookieLine(LINES[0])
    assert (line.key, line.value, line.coded_value) == ("fx.hero", "bold", "bold")
    again = pickle.loads(pickle.dumps(line))  # noqa: S301
    assert again.output(header="") == f" {LINES[0]}"
    assert again.key == "fx.hero"


@pytest.mark.parametrize("factory", [RequestFactory(), AsyncRequestFactory()])
def test_request_context__request__url_and_headers(factory: Any) -> None:
    request = factory.get("/a/b%2Fc?q=%41", headers={"x-a": "1", "cookie": "a=1; b=2"})
    if isinstance(factory, AsyncRequestFactory):
        request.scope["raw_path"] = b"/a/b%2Fc"
    else:
        request.META["RAW_URI"] = "/a/b%2Fc?q=%41"
    context = request_context(request, user={"tier": "pro"}, account_id="acme")
    assert context.url == "http://testserver/a/b%2Fc?q=%41"
    assert context.header("x-a") == "1"
    assert "a=1; b=2" in (context.header("cookie") or "")
    assert (context.user, context.account_id) == ({"tier": "pro"}, "acme")
    assert request_context(request) is context


def test_request_context__host_that_is_not_allowed__relative_url() -> None:
    request = RequestFactory().get("/a?q=1", headers={"host": "evil.example"})
    assert request_context(request).url == "/a?q=1"


def test_request_context__bare_request__works() -> None:
    assert request_context(HttpRequest()).url == "/"


def test_request_context__behind_a_trusted_proxy__scheme_of_the_visitor() -> None:
    request = RequestFactory().get(
        "/caf%C3%A9", headers={"x-forwarded-proto": "https", "host": "shop.example"}
    )
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert request_context(request).url == "https://shop.example/caf%C3%A9"


def test_configured_client__not_a_client__refused() -> None:
    assert configured_client() is None
    with (
        override_settings(FAIRLOT_CLIENT="support.django_site.set_up"),
        pytest.raises(ImproperlyConfigured, match=r"shop\.experiments\.client"),
    ):
        configured_client()


@pytest.mark.parametrize(("has_manifest", "asked"), [(False, ["init"]), (True, [])])
def test_middleware__configured_client__initialised_unless_it_has_a_manifest(
    has_manifest: bool, asked: list[str]
) -> None:
    client = SpyClient(has_manifest=has_manifest)
    with override_settings(FAIRLOT_CLIENT=client):
        FairlotMiddleware(lambda _: HttpResponse())
    assert client.asked == asked


def test_subject_id__new_and_known_visitor__cookie_of_the_configured_client() -> None:
    def look(request: HttpRequest) -> HttpResponse:
        return HttpResponse(get_or_create_subject_id(request))

    with override_settings(FAIRLOT_CLIENT=SpyClient(has_subject_cookie="visitor")):
        middleware = FairlotMiddleware(look)
    response = middleware(RequestFactory().get("/"))
    subject_id = response.content.decode()
    assert lines_of(response)[-1] == (
        "Set-Cookie",
        f"visitor={subject_id}; Path=/; Max-Age=31536000; SameSite=Lax",
    )
    again = middleware(RequestFactory().get("/", headers={"cookie": f"visitor={subject_id}"}))
    assert again.content.decode() == subject_id
    assert not again.cookies


@pytest.mark.parametrize(("tag", "exposed"), [("exposure", ["ada"]), ("treatment", [])])
def test_tags__variant_and_payload__escaped_and_recorded(tag: str, exposed: list[str]) -> None:
    client = SpyClient(has_manifest=True)
    text = f"{{% {tag} 'hero' as hero %}}{{{{ hero.variant_key }}}} {{{{ hero.payload.title }}}}"
    request = RequestFactory().get("/", headers={"cookie": "fx_sid=ada"})
    with override_settings(FAIRLOT_CLIENT=client):
        assert rendered(text, request) == "bold &lt;Bold&gt;"
    assert client.exposed == exposed
    (line,) = request_context(request).response or ()  # type: ignore[misc]
    assert line == ("Set-Cookie", "fx.hero=bold; Path=/; Max-Age=31536000; SameSite=Lax")


@pytest.mark.parametrize(
    ("given", "shown"), [("subject_id=7", "bold 7"), ("", "- "), ("subject_id=none", "- ")]
)
def test_tags__no_request__decided_for_a_subject_that_is_given(given: str, shown: str) -> None:
    client = SpyClient(has_manifest=True)
    text = f"{{% exposure 'hero' {given} as hero %}}{{{{ hero.variant_key|default:'-' }}}} "
    with override_settings(FAIRLOT_CLIENT=client):
        assert rendered(text, None) + "".join(client.exposed) == shown


def test_tags__no_client_configured__says_which_setting() -> None:
    with pytest.raises(ImproperlyConfigured, match="FAIRLOT_CLIENT"):
        rendered("{% treatment 'hero' %}", RequestFactory().get("/"))


def rendered(text: str, request: HttpRequest | None) -> str:
    template = engines["django"].from_string("{% load fairlot %}" + text)
    html: str = template.render({}, request)
    return html
