"""The README's "From Python" as it stands there: its app and experiment, against a real server."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from fairlot import Client
from fairlot.warehouse.readers import read_exposures
from support.processes import fairlot, published, serving
from support.starlette_client import TestClient

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
VISITORS = 200
ADDRESS, KEY = "http://127.0.0.1:8080", "fx_key_..."


@dataclass(frozen=True, slots=True)
class Shop:
    data_dir: Path
    visitor: TestClient
    client: Client


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app of the snippet, in which only the address and the key are replaced."""
    directory = tmp_path_factory.mktemp("readme")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (directory / "experiments").mkdir()
    (directory / "experiments" / "free-delivery.yaml").write_text(yaml, "utf-8")
    data_dir = directory / "data"
    published(data_dir, directory / "experiments")
    key = fairlot("keys", "create", "--scope", "ingest", "--data", str(data_dir))["key"]
    (code,) = re.findall(r"## From Python\n.*?```python\n(from fairlot .*?)```", README, re.DOTALL)
    assert ADDRESS in code
    assert KEY in code
    with serving(data_dir) as server:
        module = ModuleType("readme_app")  # FastAPI looks the annotations up in the module
        sys.modules[module.__name__] = module
        exec(code.replace(ADDRESS, server.url).replace(KEY, key), vars(module))  # noqa: S102 - our own page
        try:
            with TestClient(module.app) as visitor:
                yield Shop(data_dir, visitor, module.client)
        finally:
            module.client.close()
            del sys.modules[module.__name__]


def test_readme_app__visitors__a_fifth_has_a_variant_and_each_is_recorded_once(shop: Shop) -> None:
    shown: Counter[str] = Counter()
    for _ in range(VISITORS):
        shop.visitor.cookies.clear()
        first, again = shop.visitor.get("/cart"), shop.visitor.get("/cart")
        assert (first.status_code, first.json()) == (200, again.json())
        variant = first.cookies.get("fx.free-delivery", "none")
        assert first.json() == f"Delivery is free from {35 if variant == 'from-35' else 50}"
        shown[variant] += 1
    assert set(shown) == {"none", "control", "from-35"}
    assert shop.client.flush()
    recorded = list(read_exposures(shop.data_dir / "events", experiment_key="free-delivery"))
    assert Counter(exposure.variant_key for exposure in recorded) == Counter(
        control=shown["control"], **{"from-35": shown["from-35"]}
    )
    assert {exposure.source for exposure in recorded} == {"sdk-python"}
    stats = shop.client.stats()
    assert (stats.sent, stats.dropped, stats.rejected) == (len(recorded), 0, 0)
