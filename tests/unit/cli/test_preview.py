import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlot.manifest import PreviewClaims, verify_preview
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.previews import PreviewLink, read_link
from fairlot.service.snapshot import load_snapshot
from fairlot.store import open_store
from support.commands import Run

HERO = "key: hero\nname: Hero\nstatus: draft\nvariants: [{key: a, name: A}, {key: bold, name: B}]\n"


@pytest.fixture
def drafts(run: Run, tmp_path: Path) -> Run:
    """`run`, where the draft `hero` has been applied."""
    (tmp_path / "drafts").mkdir()
    (tmp_path / "drafts" / "hero.yaml").write_text(HERO, "utf-8")
    run("init", "--data-only")
    assert run("apply", "drafts", "--yes").code == 0
    return run


def snapshot_of(directory: Path) -> Any:
    with closing(
        open_store(directory / ".fairlot", None, os.environ.get("FAIRLOT_DATABASE_URL"))
    ) as store:
        return load_snapshot(store)


def claims_of(link: PreviewLink | None, directory: Path) -> PreviewClaims:
    assert link is not None
    jwks = json.loads(snapshot_of(directory).jwks["default"])
    return verify_preview(
        link.token,
        jwks,
        org="default",
        project="default",
        experiment_key=link.experiment_key,
        variant_key=link.variant_key,
        now_s=read_time(link.token),
    )


def read_time(token: str) -> int:
    issued: int = json.loads(from_base64url(token.split(".")[1]))["iat"]
    return issued


def test_preview__of_a_draft__prints_the_link_alone_on_stdout(drafts: Run, tmp_path: Path) -> None:
    ran = drafts("preview", "hero", "bold", "--url", "https://shop.example/cart?a=b#top")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("https://shop.example/cart?a=b&fxpreview=hero:bold&fxtoken=")
    assert ran.out.endswith("#top\n")
    claims = claims_of(read_link(ran.out.strip()), tmp_path)
    assert claims.subject == "hero:bold"
    assert claims.expires_at_s - claims.issued_at_s == 15 * 60
    assert "Works until 20" in ran.err
    assert f"fairlot preview --revoke {claims.jti}" in ran.err


def test_preview__without_url__prints_the_query(drafts: Run) -> None:
    assert drafts("preview", "hero", "bold").out.startswith("?fxpreview=hero:bold&fxtoken=")


def test_preview__as_json__has_all_of_it(drafts: Run) -> None:
    document = drafts("preview", "hero", "bold", "--json").json
    assert document["link"] is None
    assert document["query"] == f"fxpreview=hero:bold&fxtoken={document['token']}"
    assert document.keys() == {"link", "query", "token", "expiresAt", "keyId", "jti"}
    with_link = drafts("preview", "hero", "bold", "--url", "http://localhost:3000", "--json").json
    assert with_link["link"] == f"http://localhost:3000?{with_link['query']}"


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)]
)
def test_preview__ttl__is_a_number_with_its_unit(
    drafts: Run, tmp_path: Path, ttl: str, seconds: int
) -> None:
    document = drafts("preview", "hero", "bold", "--ttl", ttl, "--json").json
    claims = claims_of(read_link(f"?{document['query']}"), tmp_path)
    assert claims.expires_at_s - claims.issued_at_s == seconds


@pytest.mark.parametrize("ttl", ["", "x", "1w", "-1", "1.5h", "15 m", "99999999"])
def test_preview__ttl_that_is_none__is_wrong_usage(drafts: Run, ttl: str) -> None:
    ran = drafts("preview", "hero", "bold", f"--ttl={ttl}")
    assert ran.code == 2
    assert "15m" in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hreo", "bold"), "did you mean hero?"),
        (("hero", "bald"), "did you mean bold?"),
        (("hero", "bold", "--ttl", "8d"), "use 1 to 604800 seconds"),
        (("hero", "bold", "--ttl", "0"), "use 1 to 604800 seconds"),
        (("hero", "bold", "--project", "nope"), "default/nope"),
        (("hero", "bold", "--url", "shop"), "write it whole"),
        (("hero", "bold", "--url", "http://[::1"), "write the URL of a page"),
        (("hero", "bold", "--revoke", "prv_1"), "name no experiment beside it"),
        (("--revoke", "a b"), "jti"),
        (("--revoke", "prv_1", "--org", "nope"), "nope"),
    ],
)
def test_preview__something_wrong__is_told(drafts: Run, words: tuple[str, ...], told: str) -> None:
    ran = drafts("preview", *words)
    assert ran.code == 1
    assert told in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("words", [(), ("hero",)])
def test_preview__without_experiment_or_variant__is_wrong_usage(
    drafts: Run, words: tuple[str, ...]
) -> None:
    assert drafts("preview", *words).code == 2


def test_preview__revoked__is_listed_as_revoked(drafts: Run, tmp_path: Path) -> None:
    jti = drafts("preview", "hero", "bold", "--json").json["jti"]
    assert drafts("preview", "--revoke", jti).out == f"Revoked {jti}.\n"
    assert drafts("preview", "--revoke", jti, "--json").json == {"jti": jti, "revoked": True}
    revocations = json.loads(snapshot_of(tmp_path).revocations["default"])
    assert revocations == {"revoked": {}, "previews": [jti]}
