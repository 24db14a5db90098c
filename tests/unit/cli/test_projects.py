from support.commands import Run


def test_projects__created__has_its_own_token(shop: Run) -> None:
    ran = shop("projects", "create", "staging", "--review-required", "--tier", "free")
    assert ran.code == 0, ran.err
    assert ran.out.strip() == shop("token", "show", "--project", "staging").out.strip()
    assert "fairlot apply DIR --project staging" in ran.err
    own = {each["key"]: each for each in shop("projects", "list", "--json").json["projects"]}
    assert own["staging"]["reviewRequired"] is True
    assert own["staging"]["tier"] == "free"
    assert "staging" in shop("projects", "list").out


def test_projects__updated__keeps_what_is_not_named(shop: Run) -> None:
    shop("projects", "update", "default", "--private", "--tier", "standard")
    changed = shop("projects", "update", "default", "--tier", "default", "--json").json
    assert (changed["private"], changed["tier"]) == (True, None)
    assert "private" in shop("projects", "update", "default", "--no-review-required").out


def test_projects__update_of_nothing__is_an_error(shop: Run) -> None:
    ran = shop("projects", "update", "default")
    assert ran.code == 1
    assert "name at least one setting" in ran.err


def test_projects__key_that_is_there__is_an_error(shop: Run) -> None:
    ran = shop("projects", "create", "default", "--json")
    assert ran.json["error"]["code"] == "project_exists"


def test_projects__gpc_is_ignored__is_shown(shop: Run) -> None:
    ignoring = ("--ignore-gpc", "--time-zone", "Asia/Tokyo", "--json")
    changed = shop("projects", "update", "default", *ignoring).json
    assert (changed["honoursGpc"], changed["timeZone"]) == (False, "Asia/Tokyo")
    assert "Asia/Tokyo" in shop("projects", "list").out
    assert "ignored" in shop("projects", "list").out
    assert "honoured" in shop("projects", "update", "default", "--honour-gpc").out
    made = shop("projects", "create", "staging", "--ignore-gpc", "--json").json
    assert made["honoursGpc"] is False
