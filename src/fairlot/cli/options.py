"""The options that commands share, and the settings that flags override."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fairlot.cli.errors import InvalidArgument
from fairlot.settings import (
    TOML_NAME,
    InvalidSetting,
    Settings,
    flag_of,
    load_settings,
    setting_doc,
    setting_names,
)

if TYPE_CHECKING:
    from fairlot.stats.planning import Design

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
org_option = click.option("--org", default="default", show_default=True, help="The organization.")
project_option = click.option(
    "--project", default="default", show_default=True, help="The project."
)


class NumberRange(click.FloatRange):
    """Real numbers that the arithmetic of a method has room for: neither NaN nor infinite."""

    _LARGEST = 1e60

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number) or abs(number) > self._LARGEST:
            self.fail(f"{value!r} is no number to calculate with", param, ctx)
        return number


def refuse_chance(design: "Design") -> None:
    """Raises InvalidArgument where no plan is needed for what is asked."""
    if design.finds_more_than_chance:
        return
    shared = "" if design.alpha_of_each == design.alpha else " of each comparison"
    raise InvalidArgument(
        f"--power: {design.power:g} is not above alpha{shared} ({design.alpha_of_each:g}): so often"
        " a difference is found where there is none, by subjects however few; write a larger"
        " --power, such as 0.8, or a smaller --alpha"
    )


def data_option_with(default: str) -> Callable[[Command], Command]:
    return click.option(
        "--data",
        "--data-dir",
        "data_dir",
        metavar="DIR",
        help=f"The data directory.  [default: {default}]",
    )


data_option = data_option_with(".fairlot")


def settings_options(command: Command) -> Command:
    """One flag for every setting but the secret, which a process list would show."""
    for name in reversed(setting_names()):
        doc = setting_doc(name)
        if name == "data_dir" or doc.is_secret:
            continue
        flag = flag_of(name)
        default = getattr(Settings(), name)
        if isinstance(default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=doc.text)
        else:
            shown = f"  [default: {default}]" if default != () else ""
            option = click.option(flag, name, metavar="VALUE", help=doc.text + shown)
        command = option(command)
    return command


def read_settings(data_dir: str | None = None, **flags: object) -> Settings:
    """FAIRLOT_CONFIG names the file; without it fairlot.toml is read if it is here."""
    named = os.environ.get("FAIRLOT_CONFIG")
    path = Path(named) if named else Path(TOML_NAME)
    if named and not path.exists():
        fix = "no such file; correct the path, or unset the variable"
        raise InvalidSetting("environment", "FAIRLOT_CONFIG", named, fix)
    return load_settings(
        path if named or path.exists() else None, os.environ, {"data_dir": data_dir, **flags}
    )
