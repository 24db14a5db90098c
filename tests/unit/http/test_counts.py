from pathlib import Path

import pytest

from fairlot.http.counts import Counts, Samples, WorkerFiles, add_up, prometheus_text

NO_LABELS: tuple[tuple[str, str], ...] = ()


def test_add_up__other_workers__sums_counters_and_only_living_gauges() -> None:
    own: Samples = {
        ("fairlot_impressions_total", NO_LABELS): 2.0,
        ("fairlot_log_queued", NO_LABELS): 1.0,
    }
    other: Samples = {
        ("fairlot_impressions_total", NO_LABELS): 5.0,
        ("fairlot_log_queued", NO_LABELS): 7.0,
    }
    total = add_up(own, [(True, other), (False, other)])
    assert total["fairlot_impressions_total", NO_LABELS] == 12
    assert total["fairlot_log_queued", NO_LABELS] == 8


def test_add_up__manifest_versions__are_the_lowest_of_the_living() -> None:
    key = ("fairlot_manifest_version", (("org", "o"), ("project", "p")))
    assert add_up({key: 4.0}, [(True, {key: 3.0}), (False, {key: 1.0})])[key] == 3


def test_prometheus_text__labels__are_escaped_and_families_described() -> None:
    labels = (("org", 'a"\\\n'), ("project", "p"))
    text = prometheus_text({("fairlot_manifest_version", labels): 3.0}).decode()
    assert text.splitlines() == [
        "# HELP fairlot_manifest_version The version of the manifest that is decided by.",
        "# TYPE fairlot_manifest_version gauge",
        'fairlot_manifest_version{org="a\\"\\\\\\n",project="p"} 3.0',
    ]


def test_counts__increments__become_samples() -> None:
    counts = Counts()
    counts.requests[200] += 2
    counts.decisions["ab", "bucket"] += 3
    samples = counts.samples()
    assert samples["fairlot_requests_total", (("status", "200"),)] == 2
    assert samples["fairlot_decisions_total", (("type", "ab"), ("reason", "bucket"))] == 3


def test_worker_files__files_of_others__are_read_and_own_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples: Samples = {("fairlot_requests_total", (("status", "200"),)): 4.0}
    own = WorkerFiles(tmp_path / "metrics")
    own.write(samples)
    assert list(own.others()) == []
    monkeypatch.setattr("os.getpid", lambda: 2**22 + 1)  # above any Linux process id
    assert list(WorkerFiles(tmp_path / "metrics").others()) == [(True, samples)]


def test_worker_files__broken_file__is_left_out(tmp_path: Path) -> None:
    (tmp_path / "99999999.json").write_bytes(b'[["fairlot')
    (tmp_path / "rubbish.json").write_bytes(b"[]")
    assert list(WorkerFiles(tmp_path).others()) == []


def test_worker_files__clear__forgets_all(tmp_path: Path) -> None:
    (tmp_path / "99999999.json").write_bytes(b"[]")
    WorkerFiles(tmp_path).clear()
    assert list(tmp_path.iterdir()) == []
