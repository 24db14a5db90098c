import pytest

from support.commands import Run


def test_token__shown_twice__is_the_same(shop: Run) -> None:
    ran = shop("token", "show")
    assert ran.out.startswith("exp_")
    assert shop("token", "show", "--json").json == {
        "org": "default",
        "project": "default",
        "token": ran.out.strip(),
    }


def test_token__unknown_project__is_an_error(shop: Run) -> None:
    ran = shop("token", "show", "--project", "nope")
    assert ran.code == 1
    assert "nope" in ran.err


def test_keys__created__is_listed_without_its_secret(shop: Run) -> None:
    created = shop("keys", "create", "--scope", "read", "--scope", "decide", "--json").json
    assert created["key"].startswith(f"fx_key_{created['id']}.")
    assert created["scopes"] == ["decide", "read"]
    listed = shop("keys", "list", "--json")
    assert created["key"].partition(".")[2] not in listed.out
    (own,) = [key for key in listed.json["keys"] if key["id"] == created["id"]]
    assert own["scopes"] == ["decide", "read"]
    assert own["revoked"] is False
    assert created["id"] in shop("keys", "list").out


def test_keys__created_as_text__prints_the_key_alone_on_stdout(shop: Run) -> None:
    ran = shop("keys", "create", "--scope", "read", "--expires-in-days", 7)
    assert ran.out.startswith("fx_key_")
    assert ran.out.count("\n") == 1
    assert "Keep it now" in ran.err


def test_keys__revoked__is_listed_as_revoked(shop: Run) -> None:
    created = shop("keys", "create", "--scope", "read", "--json").json
    assert shop("keys", "revoke", created["id"]).code == 0
    (own,) = [
        key for key in shop("keys", "list", "--json").json["keys"] if key["id"] == created["id"]
    ]
    assert own["revoked"] is True


def test_keys__revoke_an_unknown_one__is_an_error(shop: Run) -> None:
    ran = shop("keys", "revoke", "nosuchid")
    assert ran.code == 1
    assert "nosuchid" in ran.err


@pytest.mark.parametrize("words", [("--scope", "everything"), ()])
def test_keys__scope_wrong_or_missing__is_wrong_usage(shop: Run, words: tuple[str, ...]) -> None:
    assert shop("keys", "create", *words).code == 2
