"""One subject, one variant: over HTTP, from the command line, and from the verified manifest."""

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from fairlot.engine import Context, compile_manifest, decide
from fairlot.manifest import verify_manifest
from support.commands import SHOP
from support.processes import (
    FAIRLOT,
    ServerProcess,
    ask,
    environment,
    get,
    published,
    serving,
    variant_of,
)

pytestmark = pytest.mark.slow

SUBJECTS = [f"subject-{number}-ä\U0001f600" for number in range(10_000)]
EXPERIMENT = "free-delivery"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    data_dir = tmp_path_factory.mktemp("shop")
    token = published(data_dir, SHOP)
    with serving(data_dir, workers=2) as server:
        yield server, token


def over_http(server: ServerProcess, token: str, subjects: list[str]) -> dict[str, str | None]:
    answers = {}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        for subject in subjects:
            status, answer = ask(connection, EXPERIMENT, token, subject)
            assert status == 200
            answers[subject] = variant_of(answer)
    return answers


def from_command_line(data_dir: Path, subjects: list[str]) -> dict[str, str | None]:
    ran = subprocess.run(
        [*FAIRLOT, "decide", EXPERIMENT, "-", "--data", str(data_dir), "--json"],
        input="\n".join(subjects),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    return {row["subject"]: row["variant"] for row in rows}


def from_verified_manifest(server: ServerProcess, subjects: list[str]) -> dict[str, str | None]:
    jwks = json.loads(get(server, "/.well-known/jwks/default")[1])
    document = get(server, "/v1/default/manifest.json")[1]
    compiled = compile_manifest(verify_manifest(document, jwks))
    context = Context(now_ms=time.time_ns() // 1_000_000)
    decisions = ((subject, decide(compiled, EXPERIMENT, subject, context)) for subject in subjects)
    return {subject: found.variant.key if found.variant else None for subject, found in decisions}


def test_assignment__ten_thousand_subjects__same_variant_from_every_face(
    shop: tuple[ServerProcess, str],
) -> None:
    server, token = shop
    assert len(server.worker_pids()) >= 2
    slices = [SUBJECTS[start::8] for start in range(8)]
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda part: over_http(server, token, part), slices))
    http = {subject: variant for part in parts for subject, variant in part.items()}
    local = from_command_line(server.data_dir, SUBJECTS)
    verified = from_verified_manifest(server, SUBJECTS)
    assert len(http) == len(local) == len(verified) == len(SUBJECTS)
    assert sum(http[each] != local[each] for each in SUBJECTS) == 0
    assert sum(http[each] != verified[each] for each in SUBJECTS) == 0
    assert len(set(http.values())) == 3
    workers_that_recorded = list((server.data_dir / "events").glob("worker-*.sqlite"))
    assert len(workers_that_recorded) == 2
