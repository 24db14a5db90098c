"""A draft shown by a link to whoever has it: command, server and SDK together."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client, Reason, RequestContext, ResponseHeaders
from fairlot.sdk.transport import HttpRequest, HttpResponse, UrllibTransport
from support.processes import ServerProcess, fairlot, get, published, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

HERO = """
key: hero
name: Hero
status: {status}
variants:
  - {{key: control, name: Control, weight: 10000}}
  - {{key: bold, name: Bold, weight: 0, payload: {{title: Hello}}}}
"""
PAGE = "https://shop.example/cart?a=b"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    apply(tmp_path, "draft")
    with serving(tmp_path / "data") as server:
        yield server


def apply(tmp_path: Path, status: str) -> None:
    (tmp_path / "experiments").mkdir(exist_ok=True)
    (tmp_path / "experiments" / "hero.yaml").write_text(HERO.format(status=status), "utf-8")
    published(tmp_path / "data", tmp_path / "experiments")


class Site:
    """A client of the server, and what it fetched and recorded."""

    def __init__(self, server: ServerProcess) -> None:
        self.fetched: list[str] = []
        self.recorded: list[Any] = []
        self._server = server
        self._transport = UrllibTransport()
        self.client = Client(
            f"{server.url}/v1/default/manifest.json",
            transport=self.fetch,
            record_exposure=self.recorded.append,
        )

    def fetch(self, request: HttpRequest) -> HttpResponse:
        self.fetched.append(request.url.removeprefix(self._server.url))
        return self._transport(request)

    def open(self, link: str, subject_id: str = "anna") -> tuple[Any, dict[str, str]]:
        response = ResponseHeaders()
        context = RequestContext(headers={}, url=link, response=response)
        result = self.client.treatment_with_preview("hero", subject_id, context)
        assert self.client.exposure("hero", subject_id, context) == result
        return result, dict(response)


def link_to(server: ServerProcess, variant: str = "bold") -> dict[str, str]:
    words = ("hero", variant, "--url", PAGE, "--data", str(server.data_dir))
    document: dict[str, str] = fairlot("preview", *words)
    return document


def test_preview__of_a_draft__is_shown_and_recorded_nowhere_until_revoked(
    server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    preview = link_to(server)
    site = Site(server)
    with site.client as client:
        assert client.treatment("hero", "anna").reason is Reason.UNKNOWN
        result, headers = site.open(preview["link"])
        assert (result.variant_key, result.reason) == ("bold", Reason.PREVIEW)
        assert result.payload == {"title": "Hello"}
        assert headers == {
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
        }
        assert site.fetched.count("/v1/default/preview.json") == 1
        other, _ = site.open(PAGE)
        assert other.reason is Reason.UNKNOWN
        fairlot("preview", "--revoke", preview["jti"], "--data", str(server.data_dir))
        wait_for(
            lambda: preview["jti"].encode() in get(server, "/.well-known/revocations/default")[1]
        )
        assert client.refresh()
        result, headers = site.open(preview["link"])
        assert (result.variant_key, result.reason, headers) == (None, Reason.UNKNOWN, {})
    assert "revoked" in caplog.text
    assert preview["token"] not in caplog.text
    assert site.recorded == []


def test_how_to__its_experiment_and_its_site__show_what_it_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "previews.md").read_text("utf-8")
    (experiment,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (site,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "hero.yaml").write_text(experiment, "utf-8")
    published(tmp_path / "data", tmp_path / "experiments")
    with serving(tmp_path / "data") as server:
        names: dict[str, Any] = {}
        exec(site.replace("http://127.0.0.1:8080", server.url), names)  # noqa: S102 - our own page
        try:
            assert names["title"](link_to(server)["link"], "anna") == "Ready when you are"
            assert names["title"](PAGE, "anna") == "Welcome"
        finally:
            names["client"].close()


def test_preview__of_what_runs__needs_no_draft(server: ServerProcess, tmp_path: Path) -> None:
    apply(tmp_path, "running")
    site = Site(server)
    with site.client as client:
        wait_for(lambda: client.refresh() and client.treatment("hero", "anna").in_experiment)
        assert client.treatment("hero", "anna").variant_key == "control"
        result, _ = site.open(link_to(server)["link"])
        assert (result.variant_key, result.reason) == ("bold", Reason.PREVIEW)
        assert "/v1/default/preview.json" not in site.fetched
        other = link_to(server)["link"].replace("hero:bold", "hero:control")
        result, _ = site.open(other, "maria")
        assert (result.variant_key, result.reason) == ("control", Reason.BUCKET)
    assert [event.subject_id for event in site.recorded] == ["maria"]
