"""How long `Client.treatment` takes, beside four published SDKs measured in the same run, and how
long `from fairlot import Client`.

    python benchmarks/sdk.py [--rounds 15]

Two workloads, each over 1,000 experiments and 1,000 subjects. Plain: an even split, no request
context. In a request: a rule of two clauses before it, and ours with a request context that has a
1 KiB Cookie header, in which the subject's variant stands among cookies of others. Our client is as
in production: cookie storage, delivery to a server (nothing is recorded), and the check whether the
manifest is stale. What an SDK wants to know of a subject is made before the clock starts, anew for
each round. Rounds are interleaved; the figure is the median over rounds of the mean time of a call.
Every answer is checked before anything is timed.
"""

import sys
from pathlib import Path

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [str(Path(__file__).parent.parent), *(e for e in sys.path if "benchmarks" not in e)]

import argparse
import json
import logging
import statistics
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.sdks import ATTRIBUTES, EXPERIMENTS, KEY, VARIANTS, Peer, peers

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.engine import Audience, Experiment, Manifest, Variant
from fairlot.sdk.transport import HttpRequest, HttpResponse

AIM_PLAIN_NS = 700
AIM_REQUEST_NS = 3_000
AIM_IMPORT_MS = 120
COOKIE_BYTES = 1024
SUBJECTS = [f"user-{number:06d}" for number in range(1_000)]
OURS = "fairlot"
BATCH = 50
REPEATS = {OURS: 20, "eppo-server-sdk": 20}
SERVER_PACKAGES = {
    *("alembic", "click", "httptools", "numpy", "prometheus_client", "rich"),
    *("sqlalchemy", "structlog", "uvicorn", "uvloop", "yaml"),
}


def no_network(_request: HttpRequest) -> HttpResponse:
    raise OSError("a benchmark has no network")


def our_client(*, with_rule: bool) -> Client:
    rule = {"tier": "pro", "country": {"$in": ["US", "CA"]}} if with_rule else {}
    variants = tuple(Variant(key, is_control=key == "control") for key in VARIANTS)
    experiments = tuple(
        Experiment(f"exp-{number}", f"exp-{number}", variants, audience=Audience(rule=rule))
        for number in range(EXPERIMENTS)
    )
    client = Client(
        "https://bench.invalid/v1/bench/manifest.json",
        api_key="fx_key_bench000.secret",
        transport=no_network,
    )
    client.set_manifest(Manifest("bench", "bench", 1, "", experiments))
    return client


def cookie_header(variant_key: str | None) -> str:
    """1 KiB of session, analytics and consent cookies, with ours in the middle."""
    ours = [] if variant_key is None else [f"fx.{KEY}={variant_key}"]
    others: list[str] = []
    while len("; ".join([*others, *ours])) < COOKIE_BYTES - 40:
        number = len(others)
        others.append(f"_site_{number}=GA1.2.{number:08d}.{'a7f3' * 4}")
    middle = len(others) // 2
    header = "; ".join([*others[:middle], *ours, *others[middle:]])
    return f"{header}; pad={'x' * (COOKIE_BYTES - len(header) - 6)}"


def request_of(cookie: str) -> RequestContext:
    return RequestContext(
        {"cookie": cookie}, "https://shop.example/cart", ResponseHeaders(), ATTRIBUTES
    )


def our_peers(plain: Client, ruled: Client) -> tuple[Peer, Peer, Peer]:
    """Without a context, with the cookie in a request, and a request of a new visitor."""
    drawn = {subject: plain.treatment(KEY, subject).variant_key for subject in SUBJECTS}
    headers = {key: cookie_header(key) for key in VARIANTS}
    new = cookie_header(None)
    treatment, treatment_in = plain.treatment, ruled.treatment

    def with_cookies(subjects: Sequence[str]) -> list[Any]:
        return [(each, request_of(headers[drawn[each] or ""])) for each in subjects]

    def without(subjects: Sequence[str]) -> list[Any]:
        return [(each, request_of(new)) for each in subjects]

    def ask(made: tuple[str, RequestContext]) -> str | None:
        return treatment_in(KEY, made[0], made[1]).variant_key

    return (
        Peer(OURS, lambda subject: treatment(KEY, subject).variant_key, list),
        Peer(OURS, ask, with_cookies),
        Peer(f"{OURS}, new visitor", ask, without),
    )


def check_ours(plain: Client, ruled: Client) -> None:
    """The same variants in all three, each for the reason that its name says."""
    must(len(cookie_header("control").encode()) == COOKIE_BYTES, "the size of the cookie header")
    for subject in SUBJECTS:
        drawn = plain.treatment(KEY, subject)
        kept = ruled.treatment(KEY, subject, request_of(cookie_header(drawn.variant_key)))
        visitor = request_of(cookie_header(None))
        new = ruled.treatment(KEY, subject, visitor)
        variants = {each.variant_key for each in (drawn, kept, new)}
        reasons = (drawn.reason, kept.reason, new.reason)
        must(len(variants) == 1 and reasons == ("bucket", "sticky", "bucket"), subject)
        must(len(cookies_set(visitor)) == 1, "a cookie for a new visitor")
        other = next(key for key in VARIANTS if key not in variants)
        moved = ruled.treatment(KEY, subject, request_of(cookie_header(other)))
        must(moved.variant_key == other, "the cookie of another variant")


def cookies_set(context: RequestContext) -> list[str]:
    lines = context.response if isinstance(context.response, ResponseHeaders) else ()
    return [value for name, value in lines if name == "Set-Cookie"]


def must(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"{OURS}: wrong answer: {what}")


def check_answers(peer: Peer) -> None:
    answers = [peer.ask(made) for made in peer.made_of(SUBJECTS)]
    again = [peer.ask(made) for made in peer.made_of(SUBJECTS)]
    share = answers.count("treatment") / len(answers)
    if answers != again or set(answers) != set(VARIANTS) or not 0.42 < share < 0.58:
        raise SystemExit(f"{peer.name}: wrong answers (share {share}, values {set(answers)})")


def mean_ns(peer: Peer, clients: dict[str, Client], repeats: int) -> float:
    """Of one call, over all subjects; the contexts of a batch are made before its clock starts."""
    taken_ns = 0
    for _ in range(repeats):
        for first in range(0, len(SUBJECTS), BATCH):
            taken_ns += batch_ns(peer, clients, SUBJECTS[first : first + BATCH])
    return taken_ns / (repeats * len(SUBJECTS))


def batch_ns(peer: Peer, clients: dict[str, Client], subjects: Sequence[str]) -> int:
    made, ask = peer.made_of(subjects), peer.ask
    # Ours are called as users do; `ask` would put a call of its own around it.
    treatment, treatment_in = clients["plain"].treatment, clients["request"].treatment
    started = time.perf_counter_ns()
    if not peer.name.startswith(OURS):
        for each in made:
            ask(each)
    elif isinstance(made[0], str):
        for subject in made:
            treatment(KEY, subject)
    else:
        for subject, context in made:
            treatment_in(KEY, subject, context)
    return time.perf_counter_ns() - started


def measured(
    peers_of: dict[str, list[Peer]], clients: dict[str, Client], rounds: int
) -> dict[tuple[str, str], float]:
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for workload, each_of in peers_of.items():
            for peer in each_of:
                repeats = REPEATS.get(peer.name, 2)
                value = mean_ns(peer, clients, repeats)
                times.setdefault((workload, peer.name), []).append(value)
    return {key: statistics.median(values) for key, values in times.items()}


def import_of_fairlot() -> tuple[float, list[str]]:
    """The median milliseconds in a fresh process, and the server packages that came with it."""
    program = (
        "import json, sys, time; started = time.perf_counter(); from fairlot import Client;"
        " print(json.dumps([time.perf_counter() - started, sorted(sys.modules)]))"
    )
    taken: list[float] = []
    for _ in range(11):
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        seconds, loaded = json.loads(ran.stdout)
        taken.append(seconds * 1000)
    found = {name.partition(".")[0] for name in loaded} & SERVER_PACKAGES
    return statistics.median(taken), sorted(found)


def verdict(aim: str, value: float, unit: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'} {aim}: {value:.0f} {unit}"


def report(medians: dict[tuple[str, str], float]) -> None:
    for workload, title in (("plain", "no request context"), ("request", "in a request")):
        ours = medians[workload, OURS]
        print(title)
        for (each, name), median in medians.items():
            if each == workload:
                print(f"  {name:26} {median:9.0f} ns   {median / ours:6.2f} x {OURS}")
    plain, request = medians["plain", OURS], medians["request", OURS]
    print(verdict(f"plain under {AIM_PLAIN_NS} ns", plain, "ns", plain < AIM_PLAIN_NS))
    aim = f"with a cookie header of {COOKIE_BYTES} bytes under {AIM_REQUEST_NS} ns"
    print(verdict(aim, request, "ns", request < AIM_REQUEST_NS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    logging.getLogger().setLevel(logging.ERROR)
    clients = {"plain": our_client(with_rule=False), "request": our_client(with_rule=True)}
    check_ours(clients["plain"], clients["request"])
    plain, kept, new = our_peers(clients["plain"], clients["request"])
    peers_of = {
        "plain": [plain, *peers(with_rule=False)],
        "request": [kept, new, *peers(with_rule=True)],
    }
    for each_of in peers_of.values():
        for peer in each_of:
            check_answers(peer)
    report(measured(peers_of, clients, rounds))
    milliseconds, server_packages = import_of_fairlot()
    print(
        verdict(
            f"import under {AIM_IMPORT_MS} ms", milliseconds, "ms", milliseconds < AIM_IMPORT_MS
        )
    )
    print(verdict("no server package imported", len(server_packages), "found", not server_packages))
    for each_of in peers_of.values():
        for peer in each_of:
            peer.close()
    for client in clients.values():
        client.close()


if __name__ == "__main__":
    main()
