"""Forcing a variant, as a block and as a decorator, in every client of the process."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fairlot import Client, Reason, RequestContext
from fairlot.engine import BrokenExperiment
from fairlot.sdk.errors import InvalidOption
from fairlot.testing import MemorySink, force, manifest_of

URL = "https://m.example/v1/acme/shop/manifest.json"
SHOP = manifest_of({"checkout": {"control": 1, "bold": 2}})
CLIENTS: list[Client] = []


def no_network(_request: object) -> Any:
    raise OSError("this test has no network")


def a_client(**options: Any) -> Client:
    plain: dict[str, Any] = {"transport": no_network, "excluded": True}
    client = Client(URL, **plain | options)
    CLIENTS.append(client)
    return client


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


@pytest.fixture
def client() -> Client:
    client = a_client()
    client.set_manifest(SHOP)
    return client


def variant(client: Client) -> str | None:
    return client.treatment("checkout", "anna").variant_key


def test_force__block__holds_inside_it_only(client: Client) -> None:
    before = client.treatment("checkout", "anna")
    with force("checkout", "bold"):
        result = client.treatment("checkout", "anna", RequestContext())
        assert (result.variant_key, result.reason, result.payload) == ("bold", Reason.DIVERT, 2)
    assert client.treatment("checkout", "anna") == before


def test_force__payload__takes_the_place_of_the_variants(client: Client) -> None:
    with force("checkout", "bold", payload={"color": "red"}):
        assert client.payload("checkout", "anna") == {"color": "red"}


def test_force__several_clients__all_of_them(client: Client) -> None:
    other = a_client()
    with force("checkout", "bold"):
        assert (variant(client), variant(other)) == ("bold", "bold")


def test_force__one_client_named__only_that_one(client: Client) -> None:
    other = a_client()
    with force("checkout", "bold", client=other):
        assert (variant(client), variant(other)) == (None, "bold")


def test_force__client_made_in_the_block__holds_there_too() -> None:
    with force("checkout", "bold"):
        client = a_client()
        assert variant(client) == "bold"
    assert variant(client) is None
    assert variant(a_client()) is None


def test_force__no_manifest__any_experiment_can_be_forced() -> None:
    client = a_client()
    with force("not-published", "bold", payload=3):
        assert client.payload("not-published", "anna") == 3
        assert client.payload("checkout", "anna") is None


def test_force__manifest_comes_in_the_block__still_holds() -> None:
    client = a_client()
    with force("checkout", "bold"):
        client.set_manifest(SHOP)
        assert variant(client) == "bold"


def test_force__variant_that_the_experiment_does_not_have__refused(client: Client) -> None:
    message = "variant_key: 'blod': checkout has the variants control, bold"
    with pytest.raises(InvalidOption, match=message), force("checkout", "blod"):
        pytest.fail("the block was entered")
    assert variant(client) is None


def test_force__broken_experiment__can_be_forced() -> None:
    client = a_client()
    client.set_manifest(replace(SHOP, experiments=(BrokenExperiment("checkout", "unreadable"),)))
    with force("checkout", "bold"):
        assert variant(client) == "bold"


def test_force__nested__the_innermost_holds(client: Client) -> None:
    with force("checkout", "bold"):
        with force("checkout", "control"), force("other", "x"):
            assert variant(client) == "control"
        assert variant(client) == "bold"


def test_force__used_twice__holds_twice(client: Client) -> None:
    forced = force("checkout", "bold")
    with forced, forced:
        assert variant(client) == "bold"
    assert variant(client) is None


def test_force__error_in_the_block__ends_it(client: Client) -> None:
    with pytest.raises(LookupError), force("checkout", "bold"):
        raise LookupError
    assert variant(client) is None


def test_force__decorator__holds_in_each_call(client: Client) -> None:
    @force("checkout", "bold")
    def ask(key: str, *, subject: str) -> str | None:
        """What it asks."""
        return client.treatment(key, subject).variant_key

    assert [ask("checkout", subject="anna") for _ in range(2)] == ["bold", "bold"]
    assert (ask.__name__, ask.__doc__) == ("ask", "What it asks.")
    assert variant(client) is None


def test_force__coroutine_function__holds_while_it_runs(client: Client) -> None:
    @force("checkout", "bold")
    async def ask() -> str | None:
        await asyncio.sleep(0)
        return variant(client)

    assert asyncio.run(ask()) == "bold"
    assert variant(client) is None


def test_force__generator_or_class__refused() -> None:
    def generator() -> Iterator[int]:
        yield 1

    for wrong in (generator, MemorySink):
        with pytest.raises(TypeError, match="write `with force"):
            force("checkout", "bold")(wrong)


def test_force__exposure__recorded_with_its_reason() -> None:
    sink = MemorySink()
    client = a_client(excluded=False, record_exposure=sink.record_exposure)
    client.set_manifest(SHOP)
    with force("checkout", "bold"):
        client.exposure("checkout", "anna")
    (exposure,) = sink.exposures
    assert (exposure.variant_key, exposure.reason) == ("bold", Reason.DIVERT)


@pytest.mark.parametrize(("experiment", "variant"), [(["hero"], "bold"), ("hero", 5)])
def test_force__key_that_is_no_text__refused_and_forgotten(experiment: Any, variant: Any) -> None:
    hero = manifest_of({"hero": ["control", "bold"]})
    with Client("https://m.example/v1/acme/manifest.json") as client, a_client() as other:
        other.set_manifest(hero)
        with pytest.raises(InvalidOption, match="give its key, a text"), force(experiment, variant):
            pass
        client.set_manifest(hero)
        assert client.treatment("hero", "anna").variant_key in ("control", "bold")
