import subprocess
import sys
import time
from pathlib import Path

from fairlot.warehouse.log import EventLog, read_exposures

# Prints every event id once it is acknowledged, and never stops by itself.
WRITER = """
import asyncio, sys
from pathlib import Path
from fairlot.warehouse.log import EventLog
from unit.warehouse.records import assignment, exposure

log = EventLog.open(Path(sys.argv[1]))

async def record_one(number):
    while True:
        each = exposure(f"{number}")
        await log.committed(log.record(each, assignment(each.event_id)))
        sys.stdout.write(each.event_id + "\\n")
        sys.stdout.flush()

async def record_all():
    await asyncio.gather(*(record_one(number) for number in range(20)))

asyncio.run(record_all())
"""
TESTS = Path(__file__).parents[2]


def test_log__process_killed_while_it_writes__every_acknowledged_event_is_there(
    tmp_path: Path,
) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=TESTS,
        env={"PYTHONPATH": str(TESTS)},
    )
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline().strip() for _ in range(100)]
    time.sleep(0.05)
    writer.kill()
    rest = writer.stdout.read().split("\n")
    writer.stdout.close()
    writer.wait()
    # The last line may be cut short: it was acknowledged, but we were not told the whole id.
    acknowledged += [line for line in rest if len(line) == 36]

    log = EventLog.open(tmp_path)
    try:
        assert log.path.name == "worker-0.sqlite"
        recorded = {each.event_id for each in read_exposures(tmp_path)}
        assert set(acknowledged) <= recorded
        assert all(log.stored_assignments("exp_1", event_id) for event_id in acknowledged)
    finally:
        log.close(1)
