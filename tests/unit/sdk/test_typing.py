"""The types of the public API: what is asserted here is checked by mypy, in a user's own file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import fairlot

USERS_FILE = """
from collections.abc import Callable, Mapping
from typing import Any, assert_type

import fairlot.sdk.client
from fairlot import (
    Client,
    CookieStorage,
    HeaderStorage,
    InMemoryStorage,
    NoopStorage,
    Reason,
    RequestContext,
    ResponseHeaders,
    StickyStorage,
    TreatmentResult,
    exclude_bots,
    get_or_create_subject_id,
)
from fairlot.engine import Explanation, Manifest
from fairlot.events.sent import SentConversion, SentExposure, SentIdentity
from fairlot.sdk.options import AdapterRequest
from fairlot.sdk.transport import HttpRequest, HttpResponse


class Rows:
    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        return {}

    def write(
        self, context: RequestContext | None, subject_id: str, experiment_key: str, variant_key: str
    ) -> None: ...

    def forget(
        self, context: RequestContext | None, subject_id: str, experiment_key: str
    ) -> None: ...


def choose(request: AdapterRequest) -> str | None:
    assert_type(request.context, RequestContext | None)
    return "bold" if request.experiment_key == "hero" else None


def save(event: SentExposure) -> None:
    assert_type(event.reason, Reason)


def save_conversion(event: SentConversion | SentIdentity) -> None:
    assert_type(event.subject_id, str)


def send(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, {}, b"")


storages: list[StickyStorage] = [
    CookieStorage("acme.", domain="acme.example"),
    HeaderStorage("x-fx"),
    InMemoryStorage(),
    NoopStorage(),
    Rows(),
]
client = Client(
    "https://m.example/v1/acme/manifest.json",
    api_key="fx_key_12345678.secret",
    refresh_interval_s=30,
    transport=send,
    on_refresh_error=print,
    record_exposure=save,
    record_conversion=save_conversion,
    storage=storages[0],
    excluded=exclude_bots(),
    decision_adapter=choose,
    manifest_cache="/var/cache/shop/manifest.json",
    trusted_keys=["kid"],
    subject_cookie="fx_sid",
)
assert_type(client.init(), bool)
assert_type(client.refresh(), bool)
assert_type(client.manifest(), Manifest | None)
context = RequestContext(
    headers={"cookie": "a=b"},
    url="https://shop.example/",
    response=ResponseHeaders(),
    user={"tier": "pro"},
    account_id="acc-1",
)
subject_id = get_or_create_subject_id(context, consent=True, client=client)
assert_type(subject_id, str)
result = client.treatment("hero", subject_id, context)
assert_type(result, TreatmentResult)
assert_type(result.variant_key, str | None)
assert_type(result.variant_id, str | None)
assert_type(result.reason, Reason)
assert_type(result.in_experiment, bool)
assert_type(result.manifest_version, int | None)
assert_type(result.payload, Any)
assert_type(client.treatment_with_preview("hero", subject_id, context), TreatmentResult)
assert_type(client.payload("hero", subject_id), Any)
assert_type(client.metadata("hero"), dict[str, Any] | None)
assert_type(client.exposure("hero", subject_id, context, tenant_id="t"), TreatmentResult)
assert_type(client.expose("hero", subject_id, decision=result), bool)
client.track("order", subject_id, value=20.0, properties={"sku": "a"})
client.identify(subject_id, "user-1", context)
assert_type(client.explain("hero", subject_id), Explanation)
assert_type(client.flush(within_s=1), bool)
assert_type(client.stats().queued, int)
assert_type(client.close(), bool)
assert_type(client.on_refresh(print), Callable[[], None])

with Client("https://m.example/v1/acme/manifest.json") as entered:
    assert_type(entered, Client)


async def live() -> None:
    async with Client("https://m.example/v1/acme/manifest.json") as entered:
        assert_type(entered, Client)
        assert_type(await entered.ainit(), bool)
        assert_type(await entered.arefresh(), bool)
        assert_type(await entered.aflush(1), bool)
        assert_type(
            await entered.atreatment_with_preview("hero", subject_id, context), TreatmentResult
        )
        assert_type(await entered.aclose(), bool)
"""

MISTAKES = {
    "Client()": "call-arg",
    "Client('https://m.example/x', refresh_interval_ms=30)": "call-arg",
    "Client('https://m.example/x', storage='cookies')": "arg-type",
    "Client('https://m.example/x').treatment('hero')": "call-arg",
    "Client('https://m.example/x').treatment('hero', 5)": "arg-type",
    "Client('https://m.example/x').treatment('hero', 'anna').variant_key.upper()": "union-attr",
}


@pytest.fixture
def check(tmp_path: Path) -> Callable[[str], tuple[int, str]]:
    def run(text: str) -> tuple[int, str]:
        (tmp_path / "shop.py").write_text(text)
        words = ["--strict", "--no-incremental", "--config-file", "", "shop.py"]
        ran = subprocess.run(
            [sys.executable, "-m", "mypy", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    return run


def test_exports__all_of_them__are_there() -> None:
    assert sorted(fairlot.__all__) == fairlot.__all__
    assert all(hasattr(fairlot, name) for name in fairlot.__all__)


@pytest.mark.slow
def test_users_file__mypy_strict__passes(check: Callable[[str], tuple[int, str]]) -> None:
    code, output = check(USERS_FILE)
    assert (code, output) == (0, "Success: no issues found in 1 source file\n")


@pytest.mark.slow
def test_users_file__mistakes__each_is_found(check: Callable[[str], tuple[int, str]]) -> None:
    lines = ["from fairlot import Client", *MISTAKES]
    code, output = check("\n".join(lines) + "\n")
    assert code == 1
    for number, kind in enumerate(MISTAKES.values(), start=2):
        assert any(
            line.startswith(f"shop.py:{number}: ") and line.endswith(f"[{kind}]")
            for line in output.splitlines()
        ), output
