"""What a command prints: JSON for programs, tables for terminals, plain columns for pipes."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click


def print_json(document: Mapping[str, object]) -> None:
    click.echo(json.dumps(document, indent=2))


def print_note(text: str) -> None:
    """A line for the person, on stderr, where it cannot disturb what is piped."""
    click.echo(text, err=True)


def print_left_out(file: object) -> None:
    """Of the event log."""
    from fairlot.manifest.problems import printable

    print_note(printable(f"{file}: left out, as it cannot be read; restore or remove it"))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    # Imported here: `fairlot --help` needs nothing of the engine, which comes with it.
    from fairlot.manifest.problems import printable

    cells = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich_table(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [list(columns), *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _print_rich_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))
    Console(highlight=False).print(table)


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while the block runs, when stderr is a terminal; yields `advance(count)`.

    Without a `total` the bar only moves.
    """
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)
