"""Plan and apply the files of a project."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, ask, write
from fairlot.http.registry import Answer
from fairlot.http.texts import Sentence
from fairlot.manifest.nodes import MAX_TEXT_BYTES
from fairlot.manifest.source_files import AT_ONCE_BYTES, SourceFile
from fairlot.service.actors import Scope
from fairlot.service.changes.applying import (
    Applied,
    Asked,
    FilesRead,
    apply_files,
    plan_files,
    read_ahead,
)
from fairlot.service.changes.plans import describe_plan
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import PlanDocument

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}"
_Path = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
_Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT_BYTES)]


class TextFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path` is what messages call it, `text` one or more documents in YAML or JSON."""

    path: _Path
    text: _Text


class Files(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """With `allowDeletes` whatever no file says is deleted, if it is a draft or over, or a
    definition that nothing uses. `base` is that of a plan: another state of the project is refused
    as stale. `reason` is for those who read the revisions."""

    files: Annotated[tuple[TextFile, ...], msgspec.Meta(max_length=10_000)]
    allow_deletes: bool = False
    base: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    reason: Sentence | None = None


def plan(call: Call[Files]) -> Outcome:
    known = None
    if call.services.events_dir is not None:
        directory, project_id = call.services.events_dir, call.tenant.id
        known = KnownSubjects.of_last_days(directory, project_id, call.now_ms)
    planned = plan_files(
        call.connection, call.tenant, _asked(call.asked), actor=call.actor, now_ms=call.now_ms
    )
    return Outcome(describe_plan(call.connection, planned, known, now_ms=call.now_ms))


def read_first(call: Call[Files]) -> FilesRead:
    return read_ahead(call.connection, call.tenant, _asked(call.asked))


def apply(call: Call[Files]) -> Outcome:
    applied = apply_files(
        call.connection,
        call.tenant,
        _asked(call.asked),
        actor=call.actor,
        now_ms=call.now_ms,
        read=call.ahead,
    )
    return Outcome(applied)


def _asked(files: Files) -> Asked:
    return Asked(
        [SourceFile(each.path, each.text) for each in files.files],
        files.allow_deletes,
        files.base,
        files.reason,
    )


ROUTES: Final = (
    ask(
        f"{_PATH}/plan",
        "Say what files would change, and who would move; nothing is changed",
        Scope.READ,
        plan,
        {200: Answer("The plan.", (PlanDocument,))},
        request=Files,
        body_limit=AT_ONCE_BYTES,
        errors=(409, 422),
    ),
    write(
        "POST",
        f"{_PATH}/apply",
        "Change the project to what files say: all of it, or nothing",
        Scope.WRITE,
        apply,
        {200: Answer("What was changed.", (Applied,))},
        request=Files,
        body_limit=AT_ONCE_BYTES,
        ahead=read_first,
        errors=(409,),
    ),
)
