"""Deletions over real files and databases, by several processes' worth of parts in one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec
import pytest

from fairlot.events import Assignment
from fairlot.profiles import (
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    claim_of_subject,
    subject_identifier,
)
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.actors import Actor, Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.privacy.deleting import Begun, Deletions
from fairlot.service.privacy.log_files import Left, Why
from fairlot.service.profiles import Applied, KnownProfiles, Step, Work
from fairlot.service.reactions import NO_RULES
from fairlot.service.tracking import subject_id_made_of
from fairlot.store import Store
from fairlot.store.experiments import ExperimentRow, add_experiments
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.deletions import KEPT_MS, read_deletions
from fairlot.store.tenants import ProjectRow, add_project, find_project
from fairlot.warehouse.lake import EventKind, compact, write_events
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.lake.sessions import open_session
from fairlot.warehouse.lake.tail import table_of_lines
from fairlot.warehouse.lake.writing import publish
from fairlot.warehouse.log import EventLog, read_conversions, read_exposures, read_senders
from fairlot.warehouse.opening import open_read_only
from fairlot.warehouse.stored import StoredLog
from support.tables import open_with_tables
from support.traces import traces_in, traces_in_database
from unit.warehouse.records import conversion, exposure, identity, received

NOW_MS = 1_795_413_600_000
ADA = "ada-7c1f-lovelace"
PHONE = "phone-9d3e-of-hers"
OPERATOR = Actor("local:tests", frozenset(Scope))


@dataclass
class Process:
    profiles: KnownProfiles
    log: EventLog
    deletions: Deletions
    forgotten: list[bool]

    def apply(self, work: Work) -> Applied:
        return asyncio.run(self.profiles.apply(work))

    def record(self, project_id: str, *subjects: str, at_ms: int = NOW_MS, seq: int = 1) -> None:
        about = {"project_id": project_id, "received_at_ms": at_ms}
        batch = received(
            *(exposure(each, experiment_id="exp_hero", **about) for each in subjects),
            *(conversion(each, **about) for each in subjects),
            *(identity(each, **about) for each in subjects),
            project_id=project_id,
            batch_seq=seq,
        )
        self.log.record_batch(batch)
        for each in subjects:
            self.log.record(None, Assignment("exp_hero", "hero", each, "bold", 1, at_ms))
        assert self.log.flush(5)


@dataclass
class Site:
    """`open` starts a process. `now_ms` is everybody's clock."""

    folder: Path
    database_url: str | None
    store: Store
    project: ProjectRow
    closing: ExitStack
    now_ms: int = NOW_MS
    processes: list[Process] = field(default_factory=list)

    @property
    def events_dir(self) -> Path:
        return self.folder / "events"

    def open(self) -> Process:
        log = EventLog.open(self.events_dir)
        self.closing.callback(log.close, 2)
        forgotten: list[bool] = []
        process = self._process(log, log.path, lambda: forgotten.append(True))
        process.forgotten = forgotten
        process.profiles.follow()
        process.deletions.begin_to_follow()
        process.deletions.follow()
        return process

    def command(self) -> Deletions:
        """Of a command, which has no file of its own."""
        return self._process(StoredLog(self.events_dir), None, lambda: None).deletions

    def _process(self, log: Any, own_file: Path | None, forget: Callable[[], None]) -> Process:
        profiles = KnownProfiles(
            open_profile_store(self.folder, self.database_url), log, NO_RULES, lambda: self.now_ms
        )
        self.closing.callback(profiles.close, 2)
        deletions = Deletions(
            store=self.store,
            profiles=profiles,
            log=log,
            events_dir=self.events_dir,
            own_file=own_file,
            clock_ms=lambda: self.now_ms,
            forget=forget,
        )
        return Process(profiles, log, deletions, [])

    def begin(self, deletions: Deletions, subject_id: str = ADA) -> Begun:
        asked = deletions.look_up(self.project.id, subject_id)
        with self.store.writing() as connection:
            return deletions.begin(connection, self.project, asked, OPERATOR)

    def traces(self, text: str) -> set[str]:
        found = traces_in(self.folder, text)
        if self.database_url is not None:
            found |= traces_in_database(self.database_url, text)
        return found


@pytest.fixture
def site(tmp_path: Path, database_url: str | None) -> Iterator[Site]:
    with ExitStack() as stack:
        store = stack.enter_context(
            closing(open_with_tables(tmp_path, "a secret of the operator", database_url))
        )
        bootstrap(store, now_ms=NOW_MS)
        with store.writing() as connection:
            project = find_project(connection, "default", "default")
            assert project is not None
            add_experiments(connection, [an_experiment_row(project.id)])
            add_project(
                connection, ProjectRow("prj_2", "staging", project.organization_id, "default"), 0
            )
        (tmp_path / "events").mkdir()
        yield Site(tmp_path, database_url, store, project, stack)


def an_experiment_row(project_id: str) -> ExperimentRow:
    return ExperimentRow(
        id="exp_hero",
        project_id=project_id,
        key="hero",
        status="running",
        document=b"{}",
        variant_ids={},
        description=None,
        hypothesis=None,
        owner=None,
        tags=(),
        metrics=(),
        source="",
        created_at_ms=0,
        updated_at_ms=0,
    )


def happened(project: ProjectRow, who: str | Claim, *names: str) -> Work:
    claim = claim_of_subject(who) if isinstance(who, str) else who
    return Work(
        project.id,
        claim,
        NOW_MS,
        happenings=[Happening(event_id=f"e-{name}", name=name, at_ms=NOW_MS) for name in names],
    )


def saying(accepted: bool, at_ms: int = NOW_MS) -> Step:
    return lambda profile: consented(profile, GENERAL, accepted, at_ms)


def test_delete__of_a_subject_with_two_ids__removes_both_from_everything(site: Site) -> None:
    here = site.open()
    here.apply(happened(site.project, claim_of_subject(PHONE, user_id=ADA), "order"))
    here.record(site.project.id, ADA, PHONE, "bo")
    assert site.traces(ADA)
    assert site.traces(PHONE)

    begun = site.begin(here.deletions)
    left = here.deletions.finish(begun.id)

    assert begun.profiles == 1
    assert left == []
    assert (site.traces(ADA), site.traces(PHONE)) == (set(), set())
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo"]
    assert here.profiles.in_memory(site.project.id, [subject_identifier(ADA)]) is None
    assert here.forgotten


def test_delete__of_an_id_without_a_profile__removes_its_events(site: Site) -> None:
    here = site.open()
    here.record(site.project.id, ADA, "bo")

    begun = site.begin(here.deletions)

    assert begun.profiles == 0
    assert here.deletions.finish(begun.id) == []
    assert site.traces(ADA) == set()


def test_delete__by_an_address_whose_profile_was_never_written__removes_its_events(
    site: Site,
) -> None:
    """What a process that died between the event log and the profiles leaves of who is new."""
    here = site.open()
    mail = Identifier(IdentifierKind.EMAIL, "ada@x.example")
    made = subject_id_made_of(site.project.id, mail)
    here.record(site.project.id, made, "bo")
    assert site.traces(made)

    begun = site.begin(here.deletions, "Ada@X.example")

    assert begun.profiles == 0
    assert here.deletions.finish(begun.id) == []
    assert site.traces(made) == set()
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo"]


def test_delete__by_an_address__removes_events_under_all_ids_of_whoever_has_it(
    site: Site,
) -> None:
    here = site.open()
    mail = Identifier(IdentifierKind.EMAIL, "ada-7c1f@x.example")
    claim = msgspec.structs.replace(claim_of_subject(PHONE, user_id=ADA), also=(mail,))
    here.apply(happened(site.project, claim, "order"))
    here.record(site.project.id, ADA, PHONE, "bo")
    assert site.traces(mail.value)

    here_begun(site, here, mail.value.upper())

    for text in (mail.value, ADA, PHONE):
        assert site.traces(text) == set()
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo"]


def test_delete__events_alone_have_the_id__leaves_whose_number_it_is(site: Site) -> None:
    here = site.open()
    stranger = Claim((Identifier(IdentifierKind.EXTERNAL, ADA),), ("bo",))
    here.apply(happened(site.project, stranger, "order"))
    here.record(site.project.id, ADA, "bo")

    begun = [here_begun(site, here) for _ in range(2)]

    assert [(each.profiles, each.others) for each in begun] == [(0, ("bo",))] * 2
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo"]
    assert here.profiles.in_memory(site.project.id, [subject_identifier("bo")])


def test_delete__twice__does_the_same_again(site: Site) -> None:
    here = site.open()
    here.apply(happened(site.project, ADA, "order"))

    first, second = (here_begun(site, here) for _ in range(2))

    assert (first.profiles, second.profiles) == (1, 0)
    assert site.traces(ADA) == set()


def here_begun(site: Site, process: Process, subject_id: str = ADA) -> Begun:
    begun = site.begin(process.deletions, subject_id)
    assert process.deletions.finish(begun.id) == []
    return begun


def test_delete__by_a_command_while_a_server_runs__is_done_by_its_workers(site: Site) -> None:
    worker = site.open()
    worker.apply(happened(site.project, ADA, "order"))
    worker.record(site.project.id, ADA)
    command = site.command()
    begun = site.begin(command)

    assert command.finish(begun.id, 0) == [Left(worker.log.path.name, Why.NOT_ERASED)]
    worker.profiles.follow()
    worker.deletions.follow()

    assert command.finish(begun.id) == []
    assert site.traces(ADA) == set()
    assert worker.forgotten


def test_delete__files_of_workers_that_are_gone__are_seen_to_as_well(site: Site) -> None:
    gone = site.open()
    gone.record(site.project.id, ADA)
    gone.log.close(2)
    command = site.command()

    begun = site.begin(command)

    assert command.finish(begun.id) == []
    assert site.traces(ADA) == set()


def test_delete__who_asked_died__is_finished_by_the_next_that_starts(site: Site) -> None:
    gone = site.open()
    gone.record(site.project.id, ADA)
    gone.log.close(2)
    site.begin(site.command())
    assert site.traces(ADA)

    site.open()

    assert site.traces(ADA) == set()


def test_delete__events_that_another_worker_had_queued__are_removed_too(site: Site) -> None:
    here, there = site.open(), site.open()
    begun = site.begin(here.deletions)
    there.log.record(exposure(ADA, project_id=site.project.id), None)  # decided before it heard

    there.deletions.follow()

    assert here.deletions.finish(begun.id) == []
    assert list(read_exposures(site.events_dir)) == []
    assert site.traces(ADA) == set()


def test_delete__work_that_another_worker_had_queued__makes_no_profile_anew(site: Site) -> None:
    here, there = site.open(), site.open()
    begun = site.begin(here.deletions)
    there.profiles.post(happened(site.project, ADA, "order"))

    there.deletions.follow()

    assert here.deletions.finish(begun.id) == []
    assert site.traces(ADA) == set()


def test_delete__who_came_back__is_not_deleted_by_a_worker_that_starts_later(site: Site) -> None:
    here = site.open()
    here_begun(site, here)
    site.now_ms += 60_000
    here.apply(happened(site.project, ADA, "order"))
    here.record(site.project.id, ADA, at_ms=site.now_ms)

    site.open()

    assert [each.subject_id for each in read_exposures(site.events_dir)] == [ADA]
    found = asyncio.run(here.profiles.find(site.project.id, [subject_identifier(ADA)]))
    assert found is not None


def test_delete__the_same_id_in_another_project__stays(site: Site) -> None:
    here = site.open()
    other = ProjectRow("prj_2", "staging", "", "")
    here.apply(happened(other, ADA, "order"))
    here.record("prj_2", ADA)

    here_begun(site, here)

    assert [each.subject_id for each in read_conversions(site.events_dir)] == [ADA]
    assert asyncio.run(here.profiles.find("prj_2", [subject_identifier(ADA)])) is not None


def test_delete__accounts_and_the_numbers_of_senders__stay(site: Site) -> None:
    here = site.open()
    work = happened(site.project, ADA, "order")
    here.apply(
        Work(
            work.project_id,
            work.claim,
            NOW_MS,
            account_id="acme",
            account_attributes={"plan": "pro"},
        )
    )
    here.record(site.project.id, ADA)

    here_begun(site, here)

    assert asyncio.run(here.profiles.account(site.project.id, "acme")) == {"plan": "pro"}
    (sender,) = read_senders(site.events_dir)
    assert (sender.events, sender.lost_events) == (3, 0)


def test_delete__somebody_reads_a_file__says_so_and_is_finished_later(site: Site) -> None:
    here = site.open()
    here.record(site.project.id, ADA)
    begun = site.begin(here.deletions)
    with closing(open_read_only(here.log.path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM exposures").fetchone()

        left = here.deletions.finish(begun.id, 0)

        assert left == [Left(here.log.path.name, Why.WAL_NOT_EMPTIED)]
        assert list(read_exposures(site.events_dir)) == []
        assert site.traces(ADA)
    here.deletions.follow()

    assert here.deletions.left_of(begun.id) == []
    assert site.traces(ADA) == set()


def test_delete__somebody_reads_the_profiles__says_so_and_is_finished_later(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_with_tables(tmp_path, "a secret of the operator")))
        bootstrap(store, now_ms=NOW_MS)
        with store.reading() as connection:
            project = find_project(connection, "default", "default")
        assert project is not None
        site = Site(tmp_path, None, store, project, stack)
        here = site.open()
        here.apply(happened(project, ADA, "order"))
        begun_with_reader(site, here, tmp_path / "profiles.db")

        here.deletions.follow()

        assert site.traces(ADA) == set()


def begun_with_reader(site: Site, here: Process, path: Path) -> None:
    with closing(open_read_only(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM profiles").fetchone()
        begun = site.begin(here.deletions)

        left = here.deletions.finish(begun.id, 0)

        assert left == [Left(str(path), Why.WAL_NOT_EMPTIED)]
        assert site.traces(ADA)


def test_delete__a_damaged_file_was_set_aside__is_named(site: Site) -> None:
    here = site.open()
    aside = site.events_dir / "worker-7.corrupt-20260101T000000.000000Z"
    aside.write_bytes(ADA.encode())

    begun = site.begin(here.deletions)

    assert here.deletions.finish(begun.id) == [Left(aside.name, Why.SET_ASIDE)]


def test_delete__compacted_events__are_gone_from_parquet_and_a_damaged_file_is_named(
    site: Site,
) -> None:
    here = site.open()
    here.record(site.project.id, ADA, "bo")
    assert compact(site.events_dir) is not None
    here.record(site.project.id, ADA, "bo", seq=2)
    (bad,) = write_events(site.events_dir, [exposure("cy", project_id=site.project.id)])
    bad.write_bytes(b"no Parquet")
    assert any(name.endswith(".parquet") for name in site.traces(ADA))

    begun = site.begin(here.deletions)

    name = bad.relative_to(site.events_dir).as_posix()
    assert here.deletions.finish(begun.id) == [Left(name, Why.UNREADABLE)]
    assert site.traces(ADA) == set()
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo", "bo"]
    bad.unlink()
    assert here.deletions.left_of(begun.id) == []


def test_delete__a_parquet_file_put_back_from_a_backup__is_made_again_without_the_list(
    site: Site,
) -> None:
    """What docs/reference/lake.md tells whoever puts one back."""
    here = site.open()
    here.record(site.project.id, ADA, "bo")
    assert compact(site.events_dir) is not None
    backup = {path: path.read_bytes() for path in site.events_dir.rglob("*.parquet")}
    begun = site.begin(here.deletions)
    assert here.deletions.finish(begun.id) == []
    for path, content in backup.items():
        path.write_bytes(content)
    (site.events_dir / "lake-erased.json").unlink()
    assert here.deletions.left_of(begun.id) == [Left("project=*", Why.NOT_ERASED)]

    site.open()

    assert here.deletions.left_of(begun.id) == []
    assert site.traces(ADA) == set()
    assert [each.subject_id for each in read_exposures(site.events_dir)] == ["bo"]


def test_delete__while_a_compaction_is_under_way__is_finished_after_it(site: Site) -> None:
    here = site.open()
    here.record(site.project.id, ADA)
    with writing(site.events_dir):
        begun = site.begin(here.deletions)
        assert here.deletions.finish(begun.id, 0) == [Left("project=*", Why.NOT_ERASED)]
        write_events_as_compaction(site)

    here.deletions.follow()

    assert here.deletions.left_of(begun.id) == []
    assert site.traces(ADA) == set()


def write_events_as_compaction(site: Site) -> None:
    """What one that had taken her rows before they were deleted does."""
    with open_session(site.events_dir) as session, TemporaryFile() as lines:
        lines.write(msgspec.json.encode(exposure(ADA, project_id=site.project.id)) + b"\n")
        table_of_lines(session, "taken", EventKind.EXPOSURES, lines)
        publish(session, "taken", site.events_dir, site.project.id, EventKind.EXPOSURES)


def test_delete__the_log_cannot_be_written__is_left_for_later(site: Site) -> None:
    here = site.open()
    here.log.cap_pages(1)
    here.log.record(exposure(ADA, properties={"text": "long " * 200_000}), None)
    here.log.close(0)
    begun = site.begin(here.deletions)

    left = here.deletions.finish(begun.id, 0)

    assert Left(here.log.path.name, Why.NOT_ERASED) in left


def test_delete__a_file_that_nobody_holds_cannot_be_read__does_not_stop_the_others(
    site: Site,
) -> None:
    here = site.open()
    here.record(site.project.id, ADA)
    broken = site.events_dir / "worker-5.sqlite"
    broken.mkdir()
    begun = site.begin(here.deletions)

    left = here.deletions.finish(begun.id, 0)

    assert left == [Left(broken.name, Why.NOT_ERASED)]
    assert site.traces(ADA) == set()
    broken.rmdir()
    assert here.deletions.finish(begun.id) == []


def test_delete__long_ago__is_forgotten(site: Site) -> None:
    here = site.open()
    here_begun(site, here)
    site.now_ms += KEPT_MS + 1

    begun = here_begun(site, here, "bo")

    with here.profiles.store.reading() as connection:
        assert [each.id for each in read_deletions(connection)] == [begun.id]


def test_delete__of_who_had_rejected__is_remembered_by_a_hash(site: Site) -> None:
    here = site.open()
    here.apply(Work(site.project.id, claim_of_subject(ADA), NOW_MS, consents=[saying(False)]))
    here_begun(site, here)

    applied = here.apply(happened(site.project, ADA, "order"))

    assert applied == Applied(None, rejects=True)
    assert here.profiles.rejections.rejects(site.project.id, ADA)
    later = site.open()
    assert later.profiles.rejections.rejects(site.project.id, ADA)
    assert site.traces(ADA) == set()


def test_delete__of_who_had_rejected__an_alias_of_it_rejects_too(site: Site) -> None:
    here = site.open()
    here.apply(Work(site.project.id, claim_of_subject(ADA), NOW_MS, consents=[saying(False)]))
    here_begun(site, here)
    here.apply(happened(site.project, PHONE, "seen"))

    applied = here.apply(happened(site.project, claim_of_subject(PHONE, user_id=ADA), "order"))

    assert applied.rejects
    assert here.profiles.rejections.rejects(site.project.id, PHONE)


def test_delete__of_who_had_rejected_and_accepts_again__is_known_again(site: Site) -> None:
    here = site.open()
    here.apply(Work(site.project.id, claim_of_subject(ADA), NOW_MS, consents=[saying(False)]))
    here_begun(site, here)

    work = Work(site.project.id, claim_of_subject(ADA), NOW_MS, consents=[saying(True)])
    assert not here.apply(work).rejects

    assert here.apply(happened(site.project, ADA, "order")).new_events == {"e-order"}
    assert not here.profiles.rejections.rejects(site.project.id, ADA)


def test_delete__of_who_had_accepted__leaves_no_hash_of_it(site: Site) -> None:
    here = site.open()
    for accepted, at_ms in ((False, NOW_MS), (True, NOW_MS + 1)):
        step = saying(accepted, at_ms)
        here.apply(Work(site.project.id, claim_of_subject(ADA), at_ms, consents=[step]))
    here_begun(site, here)

    with here.profiles.store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM rejections").scalar_one()
    assert rows == 0


def test_follow__nothing_was_deleted__does_nothing(site: Site) -> None:
    here = site.open()

    here.deletions.follow()

    assert here.forgotten == []
