"""`fairlot signing-keys`."""

import json

from support.commands import Run


def states(shop: Run) -> list[str]:
    return sorted(key["state"] for key in shop("signing-keys", "list", "--json").json["keys"])


def kid_of(shop: Run, state: str) -> str:
    keys = shop("signing-keys", "list", "--json").json["keys"]
    (kid,) = [key["kid"] for key in keys if key["state"] == state]
    return str(kid)


def test_signing_keys__list__is_a_table(shop: Run) -> None:
    lines = shop("signing-keys", "list").out.splitlines()
    assert lines[0].split() == ["key", "state", "created", "announced", "since"]
    assert len(lines) == 3
    assert states(shop) == ["current", "next"]


def test_signing_keys__rotated_too_early__fails_and_says_until_when(shop: Run) -> None:
    ran = shop("signing-keys", "rotate")
    assert ran.code == 1
    assert "wait until" in ran.err
    error = shop("signing-keys", "rotate", "--json").json["error"]
    assert error["code"] == "too_early"
    assert error["readyAt"] in ran.err
    assert states(shop) == ["current", "next"]


def test_signing_keys__rotated_by_force__warns_and_publishes(shop: Run) -> None:
    upcoming = kid_of(shop, "next")
    ran = shop("signing-keys", "rotate", "--force")
    assert ran.code == 0
    assert "Warning: " in ran.err
    assert "All manifests are signed by the next key." in ran.out
    assert "Published version 2 of default." in ran.out
    assert kid_of(shop, "current") == upcoming
    assert shop("manifest", "verify").code == 0


def test_signing_keys__rotated_to_the_key_that_signs__changes_nothing(shop: Run) -> None:
    upcoming = kid_of(shop, "next")
    words = ("signing-keys", "rotate", "--wait", 0, "--to", upcoming)
    assert "Published" in shop(*words).out
    assert f"Nothing changed. {upcoming} signs already." in shop(*words).out
    assert states(shop) == ["current", "next", "retiring"]


def test_signing_keys__retired__leaves_the_key_set(shop: Run) -> None:
    assert "Nothing changed. There is no key to retire." in shop("signing-keys", "retire").out
    shop("signing-keys", "rotate", "--wait", 0)
    assert shop("signing-keys", "retire").code == 1
    ran = shop("signing-keys", "retire", "--force")
    assert "The former keys are retired." in ran.out
    assert "preview links that were made before" in ran.err
    assert states(shop) == ["current", "next", "retired"]


def test_signing_keys__announced_twice__changes_nothing(shop: Run) -> None:
    assert (
        "Nothing changed. There is an announced next key." in shop("signing-keys", "announce").out
    )
    change = shop("signing-keys", "announce", "--json").json
    assert change["changed"] is False
    assert "private" not in json.dumps(change)
