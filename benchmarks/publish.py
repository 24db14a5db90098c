"""How long a publish takes to reach every worker, on each database.

    python benchmarks/publish.py [--rounds 10] [--experiments 1000] [--workers 2]

A round revokes the newest version over HTTP, which publishes another of all experiments, and asks
each worker over a connection of its own until it serves that. Told are the seconds until the
request is answered, and until the last worker serves the new version (assembling, signing and
storing it are in both), and the CPU time of all workers. The poll interval is the default.
PostgreSQL is started for it where it is installed; there workers hear of a publish, with SQLite
they look for it.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from fairlot.service.bootstrap import bootstrap
from fairlot.store import open_store
from support.experiment_texts import many
from support.postgres import PostgresMissing, new_cluster, shared_directory, stop_cluster
from support.processes import ServerProcess, serving

AIM_S = 2.0
GIVE_UP_S = 30.0
PROJECT = "/api/v1/orgs/default/projects/default"
MANIFEST = "/v1/default/manifest.json"


@contextmanager
def postgres_url() -> Iterator[str | None]:
    """Of a new database; None where there is no PostgreSQL."""
    try:
        cluster = new_cluster(shared_directory() / "cluster")
    except PostgresMissing as missing:
        print(f"postgresql: left out, {missing}")
        yield None
        return
    try:
        with cluster.new_database() as url:
            yield url
    finally:
        stop_cluster(cluster)


def call(connection: HTTPConnection, key: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        raise SystemExit(f"{method} {path}: {response.status} {answer.decode()}")
    return json.loads(answer)


def connections_to_workers(
    server: ServerProcess, workers: int, stack: ExitStack
) -> list[HTTPConnection]:
    """One to each worker: more are opened until each has accepted one."""
    found: dict[int, HTTPConnection] = {}
    for _ in range(200):
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port)))
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        found[owner_of(connection.sock.getsockname()[1], server)] = connection
        if len(found) == workers:
            return list(found.values())
    raise SystemExit("one worker takes all connections; run it again")


def owner_of(own_port: int, server: ServerProcess) -> int:
    """The process that has accepted a connection from one of our ports (Linux)."""
    ends = f":{server.port:04X}", f":{own_port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {
        Path(f"socket:[{row[9]}]")
        for row in rows
        if row[1].endswith(ends[0]) and row[2].endswith(ends[1])
    }
    for pid in server.worker_pids():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                if descriptor.readlink() in sockets:
                    return pid
    raise SystemExit("nobody has accepted a connection; this needs Linux")


def cpu_s(server: ServerProcess) -> float:
    """What all workers have used so far; a loaded machine stretches the other figures."""
    texts = (Path(f"/proc/{pid}/stat").read_text() for pid in server.worker_pids())
    rows = (text.rpartition(")")[2].split() for text in texts)
    return sum(int(row[11]) + int(row[12]) for row in rows) / os.sysconf("SC_CLK_TCK")


def newer_at(connection: HTTPConnection, etag: str) -> str | None:
    """The ETag of the manifest that a worker serves instead of that one; None while it does not."""
    connection.request("GET", MANIFEST, headers={"if-none-match": etag})
    response = connection.getresponse()
    response.read()
    return response.headers["etag"] if response.status == 200 else None


def run_rounds(
    server: ServerProcess, key: str, version: int, arguments: argparse.Namespace
) -> list[tuple[float, float]]:
    """The seconds to the answer and to the last worker, of each round."""
    times = []
    with ExitStack() as stack:
        control = stack.enter_context(closing(HTTPConnection("127.0.0.1", server.port)))
        operator = stack.enter_context(ThreadPoolExecutor(1))
        workers = connections_to_workers(server, arguments.workers, stack)
        etag = newer_at(workers[0], '"none"') or ""
        for _ in range(arguments.rounds):
            started_at = time.monotonic()
            revoking = operator.submit(revoke, control, key, version)
            etag = wait_for_all(workers, etag)
            reached_s = time.monotonic() - started_at
            version, answered_at = revoking.result()
            times.append((answered_at - started_at, reached_s))
    return times


def revoke(control: HTTPConnection, key: str, version: int) -> tuple[int, float]:
    """The version that took its place, and when that was answered."""
    path = f"{PROJECT}/manifests/{version}/revoke"
    published: int = call(control, key, "POST", path, {"reason": "benchmark"})["published"]
    return published, time.monotonic()


def wait_for_all(workers: list[HTTPConnection], etag: str) -> str:
    """The ETag that all have instead; each is asked all the time, or it would hang up."""
    give_up_at = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up_at:
        newer = [newer_at(worker, etag) for worker in workers]
        if newer[0] is not None and None not in newer:
            return newer[0]
        time.sleep(0.005)
    raise SystemExit("a publish did not reach every worker")


def measure(name: str, url: str | None, arguments: argparse.Namespace) -> float:
    variables: Any = {} if url is None else {"FAIRLOT_DATABASE_URL": url}
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        with closing(open_store(data_dir, None, url)) as store:
            first = bootstrap(store)
        if first is None:
            raise SystemExit(f"{name}: the database is not empty")
        with serving(data_dir, workers=arguments.workers, **variables) as server:
            files = {"files": [{"path": "all.yaml", "text": many(arguments.experiments)}]}
            with closing(HTTPConnection("127.0.0.1", server.port)) as control:
                call(control, first.admin_key, "POST", f"{PROJECT}/apply", files)
                page = call(control, first.admin_key, "GET", f"{PROJECT}/manifests?limit=1")
            version = page["items"][0]["version"]
            used_s = cpu_s(server)
            times = run_rounds(server, first.admin_key, version, arguments)
            used_s = cpu_s(server) - used_s
    answered, reached = ([each[number] for each in times] for number in (0, 1))
    print(
        f"{name}: answered after {statistics.median(answered):.2f} s, at all"
        f" {arguments.workers} workers after {statistics.median(reached):.2f} s (median),"
        f" {max(reached):.2f} s (longest of {len(times)}); {used_s / len(times):.2f} s of CPU each"
    )
    return max(reached)


def main() -> None:
    parser = argparse.ArgumentParser(description="a publish until all workers serve it")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    longest = [measure("sqlite", None, arguments)]
    with postgres_url() as url:
        if url is not None:
            longest.append(measure("postgresql", url, arguments))
    most = max(longest)
    print(f"{'met   ' if most < AIM_S else 'MISSED'} under {AIM_S} s: {most:.2f} s")


if __name__ == "__main__":
    main()
