"""Requests per second of Choose, beside the assignment endpoint of the same server in the same run.

    python benchmarks/choose.py [--rounds 5] [--seconds 4] [--connections 32] [--cold 3000]

`fairlot serve` on one core with 50 running experiments. A request of Choose names none of them, so
all are decided; 10 are served, and 10 exposures recorded, of a profile that is in memory. The peer
is one recorded assignment a request. Rounds are interleaved. What counts is requests per second of
CPU time of the server, all its threads, as other programs on the machine then matter less; wall
time is printed too. After the load the exposures in the log are compared with the responses that
were counted.

Then the server is started anew, so that no profile is in memory, and each of `--cold` profiles is
asked for once, one after the other: the time of each answer is what a client sees.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from fairlot.warehouse.log import read_exposures

BIN = Path(sys.executable).parent
RUNNING, SERVED = 50, 10
PROFILES = 1_000
RATIO_AIM, COLD_P99_AIM_MS = 0.3, 5.0
SERVER_CORE, LOAD_CORE = "0", "1"
CHOOSE = "/v1/default/projects/default/optimization/choose-api"
ASSIGN = "/api/v1/experiments/assignments/served-00"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """`refused` answers had another status than 2xx or 3xx; `broken` connections, and requests that
    timed out, had no answer at all."""

    requests: int
    refused: int
    broken: int
    timed_out: int
    wall_s: float
    cpu_s: float

    @property
    def has_errors(self) -> bool:
        return bool(self.refused or self.broken or self.timed_out)


@dataclass(frozen=True, slots=True)
class Credentials:
    token: str
    key: str

    @property
    def basic(self) -> str:
        """As the published client sends it."""
        return "Basic " + base64.b64encode(self.key.replace(".", ":", 1).encode()).decode()


def experiments(folder: Path) -> None:
    """A third of those that are not served is for others by attribute, by device, by visit."""
    others = ("rule: {tier: pro}", "device: mobile", "visitorStatus: returning")
    for number in range(RUNNING):
        served = number < SERVED
        key = f"{'served' if served else 'other'}-{number:02}"
        audience = "" if served else f"audience: {{{others[number % 3]}}}\n"
        (folder / f"{key}.yaml").write_text(
            f"key: {key}\nname: {key}\ngroup: home\npriority: {number}\n{audience}"
            "variants:\n"
            "  - {key: control, name: Control, payload: {headline: As it was, color: grey}}\n"
            "  - {key: bold, name: Bold, payload: {headline: Try our new plan, color: red}}\n"
        )


def fairlot(*arguments: str) -> Any:
    command = [str(BIN / "fairlot"), *arguments, "--json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def prepared(folder: Path) -> Credentials:
    data, files = folder / "data", folder / "experiments"
    files.mkdir()
    experiments(files)
    fairlot("init", "--data-only", "--data", str(data))
    fairlot("apply", str(files), "--yes", "--data", str(data))
    token = fairlot("token", "show", "--data", str(data))["token"]
    made = fairlot("keys", "create", "--scope", "decide", "--data", str(data))
    return Credentials(token, made["key"])


@contextlib.contextmanager
def served(data: Path) -> "Iterator[tuple[int, int]]":
    """The port, and the process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [str(BIN / "fairlot"), "serve", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(
        ["taskset", "-c", SERVER_CORE, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def choose_body(number: int) -> str:
    who = {"sourceId": "shop", "profileId": f"profile-{number:05}"}
    return json.dumps({"identification": who, "device": "desktop", "sessionId": "s1"})


def assign_body(token: str, number: int) -> str:
    return json.dumps(
        {"token": token, "visitor_id": f"profile-{number:05}", "context": {"url": "/"}}
    )


def script(folder: Path, name: str, path: str, bodies: list[str], header: str) -> Path:
    listed = ",\n".join(f"'{each}'" for each in bodies)
    file = folder / f"{name}.lua"
    file.write_text(
        f"""local bodies = {{{listed}}}
local at = 0
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "{header}"
function request()
  at = at % #bodies + 1
  return wrk.format(nil, "{path}", nil, bodies[at])
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("requests=%d refused=%d broken=%d timed_out=%d us=%d\\n",
    summary.requests, errors.status, errors.connect + errors.read + errors.write,
    errors.timeout, summary.duration))
end
"""
    )
    return file


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def load(port: int, pid: int, file: Path, seconds: int, connections: int) -> Round:
    before = cpu_s(pid)
    command = [
        *("taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
        *("-s", str(file), f"http://127.0.0.1:{port}"),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", output)}
    wall_s = figures.pop("us") / 1e6
    return Round(**figures, wall_s=wall_s, cpu_s=cpu_s(pid) - before)


def ask(connection: HTTPConnection, body: str, basic: str) -> list[Any]:
    headers = {"content-type": "application/json", "authorization": basic}
    connection.request("POST", CHOOSE, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"{response.status}: {content.decode()}")
    choices: list[Any] = json.loads(content)["choices"]
    return choices


def exposures(data: Path) -> int:
    return sum(1 for each in read_exposures(data / "events") if each.source == "choose")


def measure_warm(
    folder: Path, credentials: Credentials, arguments: argparse.Namespace
) -> dict[str, list[Round]]:
    data = folder / "data"
    scripts = {
        "choose": script(
            folder, "choose", CHOOSE, [choose_body(n) for n in range(PROFILES)], credentials.basic
        ),
        "assignment": script(
            folder,
            "assignment",
            ASSIGN,
            [assign_body(credentials.token, n) for n in range(PROFILES)],
            "none",
        ),
    }
    rounds: dict[str, list[Round]] = {name: [] for name in scripts}
    with served(data) as (port, pid):
        with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            for number in range(PROFILES):
                if len(ask(connection, choose_body(number), credentials.basic)) != SERVED:
                    raise SystemExit("not what should be served")
        for file in scripts.values():
            load(port, pid, file, 1, arguments.connections)
        time.sleep(1)
        before = exposures(data)
        for _ in range(arguments.rounds):
            for name, file in scripts.items():
                time.sleep(0.5)
                rounds[name].append(load(port, pid, file, arguments.seconds, arguments.connections))
    check_record(exposures(data) - before, rounds["choose"], arguments.connections)
    return rounds


def check_record(recorded: int, rounds: list[Round], connections: int) -> None:
    answered = sum(each.requests - each.refused for each in rounds)
    # wrk stops without waiting: one request a connection and round may be recorded uncounted.
    uncounted = recorded - SERVED * answered
    if not 0 <= uncounted <= SERVED * connections * len(rounds):
        raise SystemExit(f"{answered} answers, but {recorded} exposures in the log")
    print(f"{answered} answers, {recorded} exposures in the log ({uncounted} cut off by wrk)")


def measure_cold(folder: Path, credentials: Credentials, count: int) -> list[float]:
    """Milliseconds of each answer."""
    data = folder / "data"
    took = []
    for is_counted in (False, True):
        with (
            served(data) as (port, _),
            contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
        ):
            for number in range(PROFILES, PROFILES + count):
                body = choose_body(number)
                begun = time.perf_counter()
                choices = ask(connection, body, credentials.basic)
                if is_counted:
                    took.append((time.perf_counter() - begun) * 1000)
                if len(choices) != SERVED:
                    raise SystemExit("not what should be served")
    return took


def report(rounds: dict[str, list[Round]], cold: list[float]) -> None:
    per_cpu = {}
    for name, all_ in rounds.items():
        per_cpu[name] = statistics.median(each.requests / each.cpu_s for each in all_)
        wall = statistics.median(each.requests / each.wall_s for each in all_)
        refused, broken, timed_out = (
            sum(getattr(each, kind) for each in all_) for kind in ("refused", "broken", "timed_out")
        )
        print(
            f"{name:11} {per_cpu[name]:9,.0f} req/s of CPU   {wall:9,.0f} req/s of wall time   "
            f"{refused} refused, {broken} broken, {timed_out} timed out"
        )
    if any(each.has_errors for all_ in rounds.values() for each in all_):
        print("ERRORS  this run had errors: its figures are of a server that did not answer all")
    ratio = per_cpu["choose"] / per_cpu["assignment"]
    verdict = "met   " if ratio >= RATIO_AIM else "MISSED"
    print(f"{verdict} {RATIO_AIM:g} of assignments: {ratio:.2f}")
    cold.sort()
    p50, p99 = cold[len(cold) // 2], cold[len(cold) * 99 // 100]
    verdict = "met   " if p99 < COLD_P99_AIM_MS else "MISSED"
    print(
        f"{verdict} {COLD_P99_AIM_MS:g} ms of a profile that is not in memory: "
        f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Choose beside assignments over HTTP")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--cold", type=int, default=3_000)
    arguments = parser.parse_args()
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"this benchmark needs {program} (Debian: apt-get install {program})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        credentials = prepared(folder)
        rounds = measure_warm(folder, credentials, arguments)
        report(rounds, measure_cold(folder, credentials, arguments.cold))


if __name__ == "__main__":
    main()
