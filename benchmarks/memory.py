"""Memory of a worker that serves 1,000 experiments, beside an empty uvicorn worker.

    python benchmarks/memory.py [--experiments 1000]

The experiments have rules, URL patterns and payloads. Every one of them is asked once before the
resident set is read, with ps, from the worker process.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import json
import subprocess
import tempfile
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from support.experiment_texts import many
from support.processes import ServerProcess, ask, free_port, published, serving
from support.waiting import wait_for

AIM_MB = 150


def write_experiments(folder: Path, count: int) -> Path:
    folder.mkdir()
    (folder / "all.yaml").write_text(many(count))
    return folder


def resident_mb(pid: int) -> float:
    output = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True
    ).stdout
    return int(output) / 1024


def ask_all(server: ServerProcess, token: str, count: int) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        for number in range(count):
            context = {
                "url": f"https://shop.example/page-{number}",
                "attributes": {"tier": "gold", "age": number},
            }
            status, answer = ask(connection, f"exp-{number}", token, "visitor", context=context)
            if (status, answer["in_experiment"]) != (200, True):
                raise SystemExit(f"wrong answer for exp-{number}: {answer}")


def hello_worker(stack: ExitStack) -> int:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "hello:app", "--app-dir", str(HERE / "peers")]
    process = subprocess.Popen(
        [*command, "--loop", "uvloop", "--http", "httptools", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    wait_for(lambda: is_listening(port))
    return process.pid


def is_listening(port: int) -> bool:
    try:
        with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
            connection.request("GET", "/", json.dumps({}))
            return connection.getresponse().status == 200
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description="memory of a worker")
    parser.add_argument("--experiments", type=int, default=1000)
    count = parser.parse_args().experiments
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data_dir = Path(folder) / "data"
        token = published(data_dir, write_experiments(Path(folder) / "experiments", count))
        server = stack.enter_context(serving(data_dir, workers=2))
        ask_all(server, token, count)
        workers = [resident_mb(pid) for pid in server.worker_pids()]
        hello = resident_mb(hello_worker(stack))
    most = max(workers)
    print(f"{count} experiments: {most:.0f} MB in the largest of {len(workers)} processes")
    print(f"hello-world worker: {hello:.0f} MB; ratio {most / hello:.2f}")
    print(f"{'met   ' if most < AIM_MB else 'MISSED'} under {AIM_MB} MB: {most:.0f} MB")


if __name__ == "__main__":
    main()
