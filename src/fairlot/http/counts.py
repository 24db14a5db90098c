"""What the server counts of itself: plain integers, kept in a small file a worker, added up.

A worker writes its figures on every poll; whoever answers /metrics reads the files of all workers.
The file of a worker that died stays, so that no counter falls while the server runs.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_HIGHEST_STATUS = 600
# Gauges of what all workers look at.
_SEEN_BY_ALL = frozenset({"fairlot_manifest_version", "fairlot_lake_waiting"})

# name -> (type, help); the order of the page
_FAMILIES = {
    "fairlot_decisions_total": ("counter", "Decisions by experiment type and reason."),
    "fairlot_impressions_total": ("counter", "Impressions handed to the event log."),
    "fairlot_impressions_refused_total": (
        "counter",
        "Answers refused because the event log could not take them.",
    ),
    "fairlot_events_total": ("counter", "Events of senders recorded, repeats too, by kind."),
    "fairlot_events_rejected_total": ("counter", "Rows of senders that were refused."),
    "fairlot_events_withheld_total": (
        "counter",
        "Events of subjects who rejected, which were accepted and not recorded.",
    ),
    "fairlot_event_batches_refused_total": (
        "counter",
        "Batches of senders refused because the event log could not take them.",
    ),
    "fairlot_event_batches_repeated_total": (
        "counter",
        "Batches of senders that the worker which took them had recorded before.",
    ),
    "fairlot_requests_total": ("counter", "Answered requests by status."),
    "fairlot_refresh_failures_total": ("counter", "Polls of the store that failed."),
    "fairlot_log_queued": (
        "gauge",
        "Events accepted and not yet on disk, large ones counted once.",
    ),
    "fairlot_log_committed_total": ("counter", "Events committed to the event log."),
    "fairlot_log_failed_total": ("counter", "Commits of the event log that failed."),
    "fairlot_lake_waiting": ("gauge", "Events that wait to be moved into Parquet."),
    "fairlot_lake_moved_total": ("counter", "Events that were moved into Parquet."),
    "fairlot_lake_repeated_total": ("counter", "Repeats that were dropped on the way."),
    "fairlot_lake_deleted_files_total": ("counter", "Parquet files that were too old."),
    "fairlot_lake_failures_total": ("counter", "Upkeep of the Parquet files that failed."),
    "fairlot_profiles_queued": ("gauge", "Changes of profiles accepted and not yet on disk."),
    "fairlot_profiles_written_total": ("counter", "Changes of profiles that were written."),
    "fairlot_profiles_failed_total": ("counter", "Commits of profiles that failed."),
    "fairlot_profiles_refused_total": (
        "counter",
        "Changes of profiles that could never be stored.",
    ),
    "fairlot_profiles_switched_total": (
        "counter",
        "Experiments in which a profile had another variant than the one it was merged into.",
    ),
    "fairlot_workers": ("gauge", "Worker processes that are running."),
    "fairlot_manifest_version": ("gauge", "The version of the manifest that is decided by."),
}

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


@dataclass(slots=True)
class Counts:
    """The figures of one process; the hot path adds to them and does nothing else."""

    requests: list[int] = field(default_factory=lambda: [0] * _HIGHEST_STATUS)
    decisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    impressions: int = 0
    impressions_refused: int = 0
    refresh_failures: int = 0
    events: Counter[str] = field(default_factory=Counter)
    events_rejected: int = 0
    events_withheld: int = 0
    event_batches_refused: int = 0

    def samples(self) -> Samples:
        found: Samples = {
            ("fairlot_impressions_total", ()): self.impressions,
            ("fairlot_impressions_refused_total", ()): self.impressions_refused,
            ("fairlot_refresh_failures_total", ()): self.refresh_failures,
            ("fairlot_events_rejected_total", ()): self.events_rejected,
            ("fairlot_events_withheld_total", ()): self.events_withheld,
            ("fairlot_event_batches_refused_total", ()): self.event_batches_refused,
            ("fairlot_workers", ()): 1,
        }
        for kind, count in self.events.copy().items():
            found["fairlot_events_total", (("kind", kind),)] = count
        for (kind, reason), count in self.decisions.copy().items():
            labels = (("type", kind), ("reason", reason))
            found["fairlot_decisions_total", labels] = count
        for status, count in enumerate(self.requests):
            if count:
                found["fairlot_requests_total", (("status", str(status)),)] = count
        return found


class WorkerFiles:
    """The figures of all workers under one directory; this process writes `<pid>.json`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._own = directory / f"{os.getpid()}.json"

    def write(self, samples: Samples) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        rows = [(name, dict(labels), value) for (name, labels), value in samples.items()]
        draft = self._own.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(rows))
        draft.replace(self._own)

    def others(self) -> Iterable[tuple[bool, Samples]]:
        """(is that worker alive, its figures) of every worker but this one."""
        for file in sorted(self.directory.glob("*.json")):
            if file == self._own or not file.stem.isdigit():
                continue
            try:
                rows = msgspec.json.decode(file.read_bytes(), type=list[_Row])
            except (OSError, msgspec.MsgspecError):
                continue
            samples = {(name, tuple(labels.items())): value for name, labels, value in rows}
            yield _is_alive(int(file.stem)), samples

    def clear(self) -> None:
        """Forget an earlier server's workers; only while none runs."""
        for file in self.directory.glob("*.json"):
            file.unlink(missing_ok=True)


_Row = tuple[str, dict[str, str], float]


def add_up(own: Samples, others: Iterable[tuple[bool, Samples]]) -> Samples:
    """Counters of all workers, gauges of the living; of versions the lowest, which says when the
    last worker has caught up, and of what waits for the lake the lowest that one has seen."""
    total = dict(own)
    for alive, samples in others:
        for key, value in samples.items():
            kind, _ = _FAMILIES.get(key[0], ("", ""))
            if kind == "counter":
                total[key] = total.get(key, 0) + value
            elif kind == "gauge" and alive:
                total[key] = _joined_gauge(key[0], total.get(key), value)
    return total


def _joined_gauge(name: str, known: float | None, value: float) -> float:
    if known is None:
        return value
    return min(known, value) if name in _SEEN_BY_ALL else known + value


def prometheus_text(samples: Samples) -> bytes:
    """The text exposition format, in the order of the families."""
    return generate_latest(_Figures(samples))


class _Figures(Collector):
    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for name, (kind, text) in _FAMILIES.items():
            rows = sorted((key[1], value) for key, value in self._samples.items() if key[0] == name)
            if rows:
                metric = Metric(name.removesuffix("_total"), text, kind)
                for labels, value in rows:
                    metric.add_sample(name, dict(labels), value)
                yield metric


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
