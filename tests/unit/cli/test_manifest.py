import json
from pathlib import Path

import pytest

from support.commands import Run

ONCE = "key: once\nname: Once\ndisplay: once\nvariants: [{key: a, name: A}, {key: b, name: B}]\n"


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


def test_manifest__shown_whole__has_what_only_the_server_decides_by(
    shop: Run, tmp_path: Path
) -> None:
    assert shop("manifest", "show", "--whole", "--json").json == (
        shop("manifest", "show", "--json").json
    )
    text = (
        "key: once\nname: Once\ndisplay: once\nvariants: [{key: a, name: A}, {key: b, name: B}]\n"
    )
    (tmp_path / "once").mkdir()
    (tmp_path / "once" / "once.yaml").write_text(text, "utf-8")
    assert shop("apply", "once", "--yes").code == 0
    served, whole = (
        {
            each["key"]: each
            for each in shop("manifest", "show", *words, "--json").json["experiments"]
        }
        for words in ((), ("--whole",))
    )
    assert served["once"]["serverOnly"] is True
    assert whole["once"]["display"] == "once"
    assert shop("manifest", "show", 2, "--whole", "--json").json["version"] == 2
    assert shop("manifest", "show", "--signed", "--whole").code == 2


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


def test_manifest__file_of_a_revoked_version__fails_and_says_why(shop: Run, document: Path) -> None:
    shop("manifest", "revoke", 1, "--reason", "wrong price")
    ran = shop("manifest", "verify", document)
    assert (ran.code, ran.out) == (1, "")
    assert "default/default version 1: was revoked (wrong price), and every client" in ran.err
    error = shop("manifest", "verify", document, "--json").json["error"]
    assert (error["code"], error["version"], error["reason"]) == (
        "manifest_revoked",
        1,
        "wrong price",
    )
    document.write_text(shop("manifest", "show", "--signed").out, "utf-8")
    assert shop("manifest", "verify", document).code == 0
    assert shop("manifest", "verify").code == 0


def test_manifest__file_of_a_revoked_version_of_another_project__fails(
    shop: Run, document: Path
) -> None:
    shop("projects", "create", "other")
    document.write_text(shop("manifest", "show", "--signed", "--project", "other").out, "utf-8")
    assert "default/other version 0" in shop("manifest", "verify", document).out
    shop("manifest", "revoke", 0, "--reason", "test", "--project", "other")
    assert "default/other version 0: was revoked (test)" in shop("manifest", "verify", document).err


def test_manifest__list__tells_who_published_what_and_when(shop: Run) -> None:
    lines = shop("manifest", "list").out.splitlines()
    assert lines[0].split() == ["version", "published", "author", "note", "revoked"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "0"]
    (newest,) = shop("manifest", "list", "--limit", 1, "--json").json["versions"]
    assert (newest["version"], newest["revoked"]) == (1, False)


def test_manifest__revoked__is_replaced_and_the_reader_warned(shop: Run) -> None:
    ran = shop("manifest", "revoke", 1, "--reason", "wrong price")
    assert ran.out == "Revoked version 1, and published 2 in its place.\n"
    assert "holds the same as the revoked one. Revert what was wrong" in ran.err
    assert "wrong price" in shop("manifest", "list").out
    assert shop("manifest", "show", "--json").json["version"] == 2
    again = shop("manifest", "revoke", 1, "--reason", "again")
    assert again.out == "Nothing changed: version 1 had been revoked before.\n"


def test_manifest__older_version_revoked__leaves_the_newest(shop: Run) -> None:
    ran = shop("manifest", "revoke", 0, "--reason", "test")
    assert ran.out == "Revoked version 0; there is a newer one.\n"
    assert ran.err == ""


def test_manifest__revoked_without_a_reason__is_wrong_usage(shop: Run) -> None:
    assert shop("manifest", "revoke", 1).code == 2


def test_manifest__version_that_is_not_there__is_an_error(shop: Run) -> None:
    for words in (("show", 9), ("revoke", 9, "--reason", "x")):
        ran = shop("manifest", *words, "--json")
        assert (ran.code, ran.json["error"]["code"]) == (1, "unknown_version")


def test_manifest__shown_by_version__is_that_one(shop: Run) -> None:
    assert "default/default version 0, published " in shop("manifest", "show", 0).out
    assert shop("manifest", "show", 0, "--json").json["experiments"] == []
    assert shop("manifest", "show", 0, "--signed").code == 2


def test_manifest__diff__tells_what_the_newest_version_changed(shop: Run) -> None:
    lines = shop("manifest", "diff").out.splitlines()
    assert lines[0] == "default/default: version 0 -> version 1"
    assert "+ experiment free-delivery" in lines
    back = shop("manifest", "diff", 0, "--from", 1).out.splitlines()
    assert "- experiment free-delivery" in back
    assert shop("manifest", "diff", 1, "--from", 1).out.splitlines()[1:] == ["No difference."]
    found = shop("manifest", "diff", "--json").json
    assert (found["from"], found["to"]) == (0, 1)


def test_manifest__diff_of_a_changed_experiment__tells_before_and_after(shop: Run) -> None:
    folder = Path("changed")
    folder.mkdir()
    text = "key: hero\nname: {name}\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"
    for name in ("Hero", "Hero, better"):
        (folder / "hero.yaml").write_text(text.format(name=name), "utf-8")
        shop("apply", folder, "--yes")
    lines = shop("manifest", "diff").out.splitlines()
    assert lines[1:] == ["~ experiment hero", '    name: "Hero" -> "Hero, better"']
    first = shop("manifest", "diff", 0).out.splitlines()
    assert first[0] == "default/default: nothing -> version 0"
    assert [line[:14] for line in first[1:]] == ["+ signing key "] * 2


def test_manifest__file_and_keys_given__needs_no_data_directory(
    shop: Run, document: Path, run: Run, tmp_path: Path
) -> None:
    shop("publish", "--static", "static")
    Path(".fairlot").rename(tmp_path.parent / f"{tmp_path.name}-gone")
    assert run("manifest", "verify", document, "--jwks", "static/jwks.json").code == 0
