from support.commands import Run


def ids(shop: Run) -> list[str]:
    return [each["id"] for each in shop("token", "list", "--json").json["tokens"]]


def test_token__created__is_the_one_that_is_shown(shop: Run) -> None:
    created = shop("token", "create").out.strip()
    assert created.startswith("exp_")
    assert shop("token", "show").out.strip() == created
    assert len(ids(shop)) == 2
    assert created in shop("token", "list").out


def test_token__revoked__is_shown_no_more_and_the_last_one_is_told(shop: Run) -> None:
    shop("token", "create")
    first, second = ids(shop)
    ran = shop("token", "revoke", second)
    assert (ran.out, ran.err) == (f"Revoked {second}.\n", "")
    ran = shop("token", "revoke", first, "--json")
    assert ran.json["liveTokens"] == 0
    assert "default/default assigns nobody until `fairlot token create`" in ran.err
    ran = shop("token", "show", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "no_live_token")


def test_token__expired__is_not_shown(shop: Run) -> None:
    (only,) = ids(shop)
    ran = shop("token", "expire", only, "--in-days", 1)
    assert ran.out.startswith(f"{only} ends at 20")
    assert shop("token", "show").code == 0
    created = shop("token", "create", "--expires-in-days", 2, "--json").json
    assert created["expiresAt"] is not None


def test_token__unknown_id__is_an_error(shop: Run) -> None:
    ran = shop("token", "revoke", "0123456789abcdef", "--json")
    assert ran.json["error"]["code"] == "unknown_token"


def test_token__of_a_source__is_made_shown_and_ended_apart(shop: Run) -> None:
    ran = shop("token", "show", "--kind", "source", "--json")
    assert ran.json["error"]["message"] == (
        "default/default: has no live source token; make one with"
        " `fairlot token create --kind source`"
    )
    created = shop("token", "create", "--kind", "source").out.strip()
    origin = ("--allow-origin", "https://shop.example")
    public = shop("token", "create", "--kind", "source", *origin, "--json").json
    assert public["allowedOrigins"] == ["https://shop.example"]
    assert shop("token", "show", "--kind", "source").out.strip() == created != public["token"]
    assert shop("token", "show").out.startswith("exp_")
    assert "https://shop.example" in shop("token", "list").out
    shop("token", "revoke", public["id"])
    (left,) = [
        each["id"]
        for each in shop("token", "list", "--json").json["tokens"]
        if each["token"] == created
    ]
    ran = shop("token", "revoke", left)
    assert "default/default takes no event until `fairlot token create --kind source`" in ran.err


def test_token__origin_for_an_experiment__is_refused(shop: Run) -> None:
    ran = shop("token", "create", "--allow-origin", "https://shop.example", "--json")
    assert ran.json["error"]["code"] == "invalid_origins"
