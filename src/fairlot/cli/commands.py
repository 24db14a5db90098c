"""The table of commands; a command's module is imported when that command runs."""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

# name -> where it is, and the line that `fairlot --help` prints without importing it
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("fairlot.cli.starter:init", "Write a starter experiment and make the data directory."),
    "validate": ("fairlot.cli.files:validate", "Check a folder of experiment files, or one file."),
    "plan": ("fairlot.cli.applying:plan", "Show what a folder would change, and who would move."),
    "apply": ("fairlot.cli.applying:apply", "Publish a folder of experiment files."),
    "export": ("fairlot.cli.export:export", "Write the texts of a project to files."),
    "experiments": (
        "fairlot.cli.experiments:experiments",
        "List, start, end and revert experiments.",
    ),
    "kill": ("fairlot.cli.experiments:kill", "End an experiment at once, in an emergency."),
    "layers": ("fairlot.cli.definitions:layers", "List layers, show and revert them."),
    "segments": ("fairlot.cli.definitions:segments", "List segments, show and revert them."),
    "metrics": ("fairlot.cli.definitions:metrics", "List metrics, show and revert them."),
    "holdouts": ("fairlot.cli.definitions:holdouts", "Show the holdout, and revert it."),
    "properties": ("fairlot.cli.definitions:properties", "List properties, show and revert them."),
    "feeds": ("fairlot.cli.feeds:feeds", "List, show and refresh feeds of products."),
    "products": ("fairlot.cli.products:products", "Import, list and delete products."),
    "serve": ("fairlot.cli.server:serve", "Run the decision server."),
    "demo": ("fairlot.cli.demo:demo", "Serve the demo shop to simulated visitors."),
    "decide": ("fairlot.cli.decision:decide", "Decide for a subject, recording nothing."),
    "doctor": ("fairlot.cli.doctor:doctor", "Say what could make a result wrong."),
    "sql": ("fairlot.cli.statements:sql", "Print the query behind a result, for any engine."),
    "replay": ("fairlot.cli.replay:replay", "Draw every recorded exposure again, and compare."),
    "report": ("fairlot.cli.report:report", "Say what an experiment did, and draw it."),
    "events": ("fairlot.cli.events:events", "Print the recorded events, and what was lost."),
    "profiles": ("fairlot.cli.profiles:profiles", "Show, merge and delete what is known."),
    "accounts": ("fairlot.cli.accounts:accounts", "Show what is known of an account."),
    "projects": ("fairlot.cli.projects:projects", "Create, list and update projects."),
    "token": ("fairlot.cli.token:token", "Show, create, list and revoke tokens."),
    "keys": ("fairlot.cli.keys:keys", "Create, list and revoke API keys."),
    "publish": ("fairlot.cli.publish:publish", "Publish what is stored, and write static files."),
    "manifest": (
        "fairlot.cli.manifest:manifest",
        "Show, compare, revoke and verify versions of the manifest.",
    ),
    "signing-keys": (
        "fairlot.cli.signing_keys:signing_keys",
        "List, rotate and retire the keys that sign manifests.",
    ),
    "audit": ("fairlot.cli.audit:audit", "List, verify and export the audit log."),
    "migrate": ("fairlot.cli.migrate:migrate", "Bring the database up to date, or back."),
    "backup": ("fairlot.cli.backup:backup", "Copy the data directory, while it is served."),
    "restore": ("fairlot.cli.backup:restore_command", "Put a backup back, so that clients go on."),
    "preview": ("fairlot.cli.preview:preview", "Make a link that shows a variant, or revoke one."),
    "calc": ("fairlot.cli.calc:calc", "Every figure of the method from totals, and sizes."),
    "power": ("fairlot.cli.power:power", "How many subjects, and for how many weeks."),
    "simulate": ("fairlot.cli.simulate:simulate", "How often the method errs, on any subjects."),
    "schema": ("fairlot.cli.schema:schema", "Print the JSON Schema of experiment files."),
    "openapi": ("fairlot.cli.openapi:openapi", "Print the OpenAPI document of the server."),
}


class SuggestingGroup(click.Group):
    """A group that names the nearest command for one that it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                ctx.fail(f"No such command {args[0]!r}; did you mean {near[0]}?")
            raise


class LazyGroup(SuggestingGroup):
    """A group that knows its commands by name, and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module_name), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _print_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version  # slow to import, and rarely asked for

        click.echo(f"fairlot {version('fairlot')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --help. Start with: fairlot demo",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def root(**_: Any) -> None:
    """Fairlot decides on the server which variant of an experiment a subject gets.

    Exit codes: 0 done, 1 an error that the message explains, 2 wrong usage or a bug,
    3 `decide` found no variant, 4 `plan` moves more than --fail-over allows,
    130 interrupted (Ctrl-C), 143 `serve` with one worker was ended by SIGTERM.
    """
