import json
from pathlib import Path

import pytest

from support.commands import Run


@pytest.fixture
def document(shop: Run) -> Path:
    path = Path("manifest.json")
    path.write_text(shop("manifest", "show", "--signed").out, "utf-8")
    return path


def test_manifest__shown__names_the_experiments(shop: Run) -> None:
    ran = shop("manifest", "show")
    assert "default/default version 1, published " in ran.out
    assert "free-delivery" in ran.out
    payload = shop("manifest", "show", "--json").json
    assert payload["schema"] == "fairlot.manifest/1"
    assert len(payload["experiments"]) == 4


def test_manifest__published_one__verifies(shop: Run) -> None:
    assert "Verified: default/default version 1, 4 experiment(s)" in shop("manifest", "verify").out
    verdict = shop("manifest", "verify", "--json").json
    assert (verdict["verified"], verdict["version"], verdict["broken"]) == (True, 1, {})


def test_manifest__file__verifies_with_the_keys_of_the_data_directory(
    shop: Run, document: Path
) -> None:
    assert shop("manifest", "verify", document).code == 0


def test_manifest__file_that_was_changed__is_refused(shop: Run, document: Path) -> None:
    parts = json.loads(document.read_text("utf-8"))
    parts["payload"] = parts["payload"][:-4] + "AAAA"
    document.write_text(json.dumps(parts), "utf-8")
    ran = shop("manifest", "verify", document, "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "manifest_refused")


def test_manifest__keys_of_another__are_refused(shop: Run, document: Path, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text('{"keys": []}', "utf-8")
    ran = shop("manifest", "verify", document, "--jwks", "jwks.json")
    assert ran.code == 1
    assert "unknown_key" in ran.err


@pytest.mark.parametrize("text", ["[]", "{", '{"keys": 1}'])
def test_manifest__key_set_that_is_none__is_refused(
    shop: Run, document: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "jwks.json").write_text(text, "utf-8")
    ran = shop("manifest", "verify", document, "--jwks", "jwks.json", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "invalid_argument")
