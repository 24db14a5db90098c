"""`fairlot publish`, and the folder for a static host."""

import json
from pathlib import Path
from typing import Any

import pytest

from fairlot.cli.errors import InvalidArgument
from fairlot.cli.static_files import write_static_files
from fairlot.manifest import verify_manifest
from support.commands import Run

FOLDER = Path("static")


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_bytes())


def test_publish__nothing_to_publish__says_so(shop: Run) -> None:
    ran = shop("publish", "--note", "again")
    assert ran.out == "Nothing to publish: version 1 of default/default says it all.\n"
    assert shop("publish", "--json").json == {"version": 1, "published": False}


def test_publish__static__writes_three_files_that_verify_together(shop: Run) -> None:
    shop("manifest", "revoke", 1, "--reason", "test")
    ran = shop("publish", "--static", FOLDER)
    assert "Wrote version 2 to static." in ran.out
    assert sorted(path.name for path in FOLDER.iterdir()) == [
        "jwks.json",
        "manifest.json",
        "revocations.json",
    ]
    document = (FOLDER / "manifest.json").read_bytes()
    assert verify_manifest(document, read("jwks.json")).version == 2
    assert read("revocations.json") == {"revoked": {"default": [1]}, "previews": []}


def test_publish__static_where_nobody_may_write__is_an_error(shop: Run) -> None:
    Path("file").write_text("", "utf-8")
    ran = shop("publish", "--static", "file/folder", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "invalid_argument")


def test_write__while_keys_change__every_step_can_be_verified(
    shop: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is exchanged and retired between two exports: the worst that can happen."""
    shop("publish", "--static", FOLDER)
    shop("signing-keys", "rotate", "--force")
    shop("signing-keys", "retire", "--force")
    steps: list[str] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        done = replace(self, target)
        steps.append(target.name)
        verify_manifest((FOLDER / "manifest.json").read_bytes(), read("jwks.json"))
        return done

    monkeypatch.setattr(Path, "replace", watched)
    assert shop("publish", "--static", FOLDER).code == 0
    assert steps == ["jwks.json", "manifest.json", "revocations.json", "jwks.json"]
    served = {key["kid"] for key in read("jwks.json")["keys"]}
    retired = [
        key["kid"]
        for key in shop("signing-keys", "list", "--json").json["keys"]
        if key["state"] == "retired"
    ]
    assert served.isdisjoint(retired)


def test_write__folder_of_another_project__is_refused(shop: Run) -> None:
    shop("publish", "--static", FOLDER)
    before = (FOLDER / "manifest.json").read_bytes()
    documents = {name: read(f"{name}.json") for name in ("manifest", "jwks", "revocations")}
    other = _payload(org="other", project="default", version=9)
    with pytest.raises(InvalidArgument, match="is of default/default; give other/default"):
        write_static_files(FOLDER, documents | {"manifest": other})
    older = _payload(org="default", project="default", version=0)
    with pytest.raises(InvalidArgument, match="is version 1, and version 0 would be written"):
        write_static_files(FOLDER, documents | {"manifest": older})
    assert (FOLDER / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", '{"payload": 5}', '{"payload": "AAAA"}'])
def test_write__folder_with_another_manifest_json__is_refused(shop: Run, text: str) -> None:
    FOLDER.mkdir()
    (FOLDER / "manifest.json").write_text(text, "utf-8")
    ran = shop("publish", "--static", FOLDER)
    assert ran.code == 1
    assert "is no signed manifest" in ran.err
    assert (FOLDER / "manifest.json").read_text("utf-8") == text


def test_write__broken_key_set_of_before__is_replaced(shop: Run) -> None:
    FOLDER.mkdir()
    (FOLDER / "jwks.json").write_text("{", "utf-8")
    assert shop("publish", "--static", FOLDER).code == 0
    assert len(read("jwks.json")["keys"]) == 2


def _payload(**fields: Any) -> dict[str, str]:
    from fairlot.manifest.base64url import base64url

    return {"payload": base64url(json.dumps(fields).encode()), "protected": "", "signature": ""}
