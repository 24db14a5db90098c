"""Where `fairlot export` writes, whatever the server answers."""

from pathlib import Path
from typing import Any

import pytest

from fairlot.cli.control import ControlClient
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.export import export
from fairlot.sdk.transport import HttpRequest, HttpResponse


def exported(directory: Path, kind: str, key: str) -> Any:
    body = f'{{"items": [{{"kind": "{kind}", "key": "{key}", "source": "a: 1"}}], "next": null}}'

    def answer(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, {"content-type": "application/json"}, body.encode())

    command: Any = export.callback
    return command.__wrapped__(
        ControlClient(answer),
        target=str(directory),
        at=None,
        revision=None,
        kind="experiment",
        org="default",
        project="default",
        as_json=True,
    )


def test_export__names_of_experiments_and_layers__are_files_under_the_folder(
    tmp_path: Path,
) -> None:
    exported(tmp_path, "experiment", "hero")
    exported(tmp_path, "layer", "cart")
    assert (tmp_path / "hero.yaml").read_text() == "a: 1"
    assert (tmp_path / "layers" / "cart.yaml").read_text() == "a: 1"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("experiment", "../outside"),
        ("experiment", "/outside"),
        ("layer", "../../outside"),
        ("../outside", "hero"),
    ],
)
def test_export__name_that_leads_elsewhere__is_refused(tmp_path: Path, kind: str, key: str) -> None:
    folder = tmp_path / "in"
    with pytest.raises(InvalidArgument, match="no name for a file"):
        exported(folder, kind, key)
    assert [*tmp_path.rglob("*.yaml")] == []


def test_export__link_in_the_folder__is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "hero.yaml").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="is a link"):
        exported(tmp_path / "in", "experiment", "hero")
    assert not outside.exists()
