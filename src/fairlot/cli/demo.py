"""`fairlot demo`: the shop's experiments, a real server, and visitors that ask it."""

import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import click

from fairlot.cli.applying import apply_files
from fairlot.cli.child_server import running_server
from fairlot.cli.control import ControlClient, organization_path
from fairlot.cli.data import opened_store
from fairlot.cli.demo_report import Outcome, outcome_document, print_outcome
from fairlot.cli.demo_results import (
    print_verdicts,
    results_of_the_shop,
    verdict_documents,
    verdict_problems,
)
from fairlot.cli.errors import CommandFailed
from fairlot.cli.files import read_readable_files
from fairlot.cli.in_process import in_process_transport
from fairlot.cli.options import data_option_with, json_option, read_settings
from fairlot.cli.output import print_json, print_note, progress
from fairlot.cli.past import DAYS, VISITORS, send_past_visitors
from fairlot.cli.ports import pick_port
from fairlot.cli.split import split_of
from fairlot.cli.visitors import Answer, ask_everything, questions_of, request_body
from fairlot.engine import Context, Experiment, Explanation
from fairlot.service.access import existing_project
from fairlot.service.actors import SYSTEM
from fairlot.service.bootstrap import bootstrap
from fairlot.service.questions import explain_with_memory
from fairlot.service.snapshot import ProjectServing, load_snapshot
from fairlot.service.tokens import live_token
from fairlot.settings import Settings
from fairlot.stats.results import ExperimentResult
from fairlot.warehouse.log import count_exposures
from fairlot.warehouse.stored import StoredLog

HOST = "127.0.0.1"
PORT = 8080
ORG = PROJECT = "default"
EXPLAINED = "loyalty-price"
LOG_TIMEOUT_S = 10.0
POLL_S = 0.05
DAY_MS = 86_400_000


class DemoFailed(CommandFailed):
    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Shop:
    """The demo's data directory, ready to be served. `past_key` is the API key for what happened
    before, from `began_ms` on; None where the shop was there already, with its past."""

    settings: Settings
    token: str
    serving: ProjectServing
    began_ms: int
    past_key: str | None


@click.command
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"The port of the server.  [default: {PORT}, or a free one]",
)
@click.option("--subjects", type=click.IntRange(1, 1_000_000), default=2000, show_default=True)
@click.option("--once", is_flag=True, help="End after the report instead of serving on.")
@data_option_with("a temporary one")
@json_option
def demo(port: int | None, subjects: int, once: bool, data_dir: str | None, as_json: bool) -> None:
    """Apply the demo shop, start a server, and let simulated visitors ask it over HTTP.

    Prints the split of each experiment beside its weights, the exposures in the event log, one
    explained decision, and the verdicts on three experiments, from what simulated visitors did in
    the four weeks before; then serves on until Ctrl-C. Exit code 1 when a split, the log or a
    verdict is not what it must be.
    """
    port = pick_port(HOST, port, PORT)
    with _terminable(), _data_directory(data_dir) as directory:
        shop = _open_shop(directory)
        with running_server(HOST, port, shop.settings.data_dir) as wait:
            _bring_the_past(shop, port)
            outcome = _run_visitors(shop, port, subjects)
            results = _read_results(shop)
            _report(outcome, results, subjects, shop, as_json)
            if once:
                return
            _serve_on(wait, lambda: _print_invitation(shop, outcome.url, as_json))


@contextmanager
def _data_directory(named: str | None) -> Iterator[str]:
    if named is not None:
        yield named
        return
    with tempfile.TemporaryDirectory(prefix="fairlot-demo-") as directory:
        yield str(Path(directory) / "data")


@contextmanager
def _terminable() -> Iterator[None]:
    """While the block runs SIGTERM ends it as Ctrl-C does, so that the server is stopped too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _open_shop(directory: str) -> Shop:
    settings = read_settings(directory)
    if settings.database_url is not None:
        raise CommandFailed(
            "database_url: is set, and the demo would publish its shop there; unset"
            " FAIRLOT_DATABASE_URL, or run it where fairlot.toml does not set it"
        )
    began_ms = time.time_ns() // 1_000_000 - DAYS * DAY_MS
    with opened_store(settings) as store:
        is_new = bootstrap(store, now_ms=began_ms) is not None
        with (
            as_file(files("fairlot.cli") / "shop") as shop,
            in_process_transport(settings, store, clock_ms=lambda: began_ms) as transport,
        ):
            client = ControlClient(transport)
            apply_files(client, ORG, PROJECT, read_readable_files(shop, ""))
            past_key = _key_for_the_past(client) if is_new else None
        with store.writing() as connection:
            project = existing_project(connection, ORG, PROJECT)
            token = live_token(
                connection, project, actor=SYSTEM, now_ms=time.time_ns() // 1_000_000
            )
        serving = load_snapshot(store).projects[ORG, PROJECT]
    return Shop(settings, token, serving, began_ms, past_key)


def _key_for_the_past(client: ControlClient) -> str:
    asked = {"scopes": ["ingest"], "name": "visitors of the past"}
    return str(client.request("POST", organization_path(ORG, "keys"), asked).json["key"])


def _bring_the_past(shop: Shop, port: int) -> None:
    if shop.past_key is not None:
        url = f"http://{HOST}:{port}/v1/{ORG}/manifest.json"
        print_note(
            f"Sending what {VISITORS:,} visitors did in the {DAYS} days before; that is most of the"
            " work, and takes 15 seconds where nothing else runs ..."
        )
        with progress("visitors of the past", VISITORS) as advance:
            send_past_visitors(url, shop.past_key, shop.began_ms, advance)


def _run_visitors(shop: Shop, port: int, subjects: int) -> Outcome:
    before = _recorded(shop)
    with progress("visitors", subjects) as advance:
        answers = ask_everything(HOST, port, shop.token, subjects, advance)
    acknowledged = Counter(
        answer.question.experiment_key for answer in answers if answer.variant_key is not None
    )
    recorded = _await_exposures(shop, before, acknowledged)
    asked = {answer.question.experiment_key for answer in answers}
    published = shop.serving.compiled.manifest.experiments
    visitor, explanation = _explain_one(shop, answers)
    return Outcome(
        url=f"http://{HOST}:{port}",
        splits=tuple(
            split_of(experiment, answers)
            for experiment in published
            if isinstance(experiment, Experiment) and experiment.key in asked
        ),
        acknowledged=acknowledged,
        recorded=recorded,
        explanation=explanation,
        explained_visitor=visitor,
    )


def _recorded(shop: Shop) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group, count in count_exposures(shop.settings.events_dir).items():
        counts[group.experiment_key] += count
    return counts


def _await_exposures(shop: Shop, before: Counter[str], acknowledged: Counter[str]) -> Counter[str]:
    """What the log gained; waits for the last commit, which comes some 10 ms after the answer."""
    give_up_at = time.monotonic() + LOG_TIMEOUT_S
    while True:
        gained = _recorded(shop) - before
        if gained.total() >= acknowledged.total() or time.monotonic() > give_up_at:
            return gained
        time.sleep(POLL_S)


def _explain_one(shop: Shop, answers: list[Answer]) -> tuple[str, Explanation]:
    """One visitor that was let in by rule and sample, or else the first."""
    own = [each for each in answers if each.question.experiment_key == EXPLAINED]
    question = next((each for each in own if each.variant_key is not None), own[0]).question
    context = Context(attributes=question.context.get("attributes", {}))
    log = StoredLog(shop.settings.events_dir)
    stored = log.stored_assignments
    explanation = explain_with_memory(shop.serving, EXPLAINED, question.visitor_id, context, stored)
    log.close(0)
    return question.visitor_id, explanation


def _read_results(shop: Shop) -> list[ExperimentResult]:
    with (
        opened_store(shop.settings) as store,
        in_process_transport(shop.settings, store) as transport,
    ):
        return results_of_the_shop(ControlClient(transport), ORG, PROJECT)


def _report(
    outcome: Outcome,
    results: Sequence[ExperimentResult],
    subjects: int,
    shop: Shop,
    as_json: bool,
) -> None:
    # A shop that was there already may have another past.
    is_known = shop.past_key is not None
    problems = outcome.problems + (verdict_problems(results) if is_known else [])
    document = outcome_document(outcome) if as_json else {}
    document |= {"passed": not problems, "verdicts": verdict_documents(results)}
    if not as_json:
        print_outcome(outcome, subjects)
        if is_known:
            click.echo(f"\nAnd what {VISITORS:,} visitors of the {DAYS} days before have led to:")
        print_verdicts(results)
    if problems:
        raise DemoFailed("; ".join(problems), document)
    if as_json:
        print_json(document)


def _print_invitation(shop: Shop, url: str, as_json: bool) -> None:
    """The lines to try; on stderr when stdout is for a program."""
    say = print_note if as_json else click.echo
    say(f"\nServing on {url} until Ctrl-C. Try:\n")
    for question in questions_of(1)[:2]:
        path = f"{url}/api/v1/experiments/assignments/{question.experiment_key}"
        body = shlex.quote(json.dumps(request_body(shop.token, question)))
        say(f"curl -s {path} -H 'Content-Type: application/json' -d {body}")
    say(f"curl -s {url}/v1/{ORG}/manifest.json")
    data = shlex.quote(str(shop.settings.data_dir))
    say(f"{_program()} report checkout-button --data {data} --html report.html")


def _program() -> str:
    """As it can be typed: `make demo` starts one that is not on the search path."""
    started = Path(sys.argv[0])
    is_elsewhere = shutil.which("fairlot") is None and started.name == "fairlot"
    return shlex.quote(str(started)) if is_elsewhere else "fairlot"


def _serve_on(wait: Callable[[], int], invite: Callable[[], None]) -> None:
    """Whoever reads the invitation may end it at once."""
    try:
        invite()
        code = wait()
    except KeyboardInterrupt:
        print_note("\nStopped.")
        return
    raise CommandFailed(f"the server ended by itself with exit code {code}; its log is above")
