"""What may lie behind a disagreement, in words."""

from typing import Final

from fairlot.service.replay.judging import expected_of
from fairlot.service.replay.report import CAUSES, Cause, Disagreement
from fairlot.service.replay.rows import Shown
from fairlot.service.replay.versions import StoredVersions

_MOST_VERSIONS: Final = 5


def explained(
    shown: Shown, cause: Cause, expected: str | None, versions: StoredVersions
) -> Disagreement:
    given_by = () if cause is Cause.OTHER_NAMES else _given_by(shown, versions)
    return Disagreement(
        event_id=shown.event_id,
        at_ms=shown.at_ms,
        subject_id=shown.subject_id,
        unit_id=shown.unit_id,
        version=shown.version,
        reason=shown.reason,
        variant=shown.variant_key,
        expected=expected,
        cause=cause,
        likely=f"{CAUSES[cause]}: {_likely(shown, cause, given_by, versions)}",
        given_by=given_by,
    )


def _likely(shown: Shown, cause: Cause, given_by: tuple[int, ...], versions: StoredVersions) -> str:
    if versions.of(shown.version).is_altered:
        return f"version {shown.version} was changed after it was published; restore it"
    if cause is Cause.OTHER_NAMES:
        return f"{_other_names(shown, versions)}; who sent the row filled it in so"
    if given_by:
        numbers = ", ".join(map(str, given_by))
        return f"version {numbers} draws it, so the row names the wrong one, or was changed"
    if _hashes_subject(shown, versions):
        return "the subject was hashed in place of the unit by who sent it"
    if shown.sender_id is not None:
        return "who sent the row decided otherwise than the manifest says, or the row was changed"
    return "the row was changed after it was recorded, or was not recorded by this server"


def _other_names(shown: Shown, versions: StoredVersions) -> str:
    """Which of the names are others, beside those of the version; an empty id is none."""
    read = versions.of(shown.version)
    if read.draws is None:
        return f"no holdout has the ids {shown.experiment_id!r} and {shown.variant_id!r}"
    experiment = read.draws.experiment
    variant = experiment.variant(shown.variant_key)
    own = variant.id if variant else ""
    beside = (
        ("experiment id", shown.experiment_id or experiment.id, experiment.id),
        ("variant id", shown.variant_id or own, own),
        ("hash version", shown.hash_version, experiment.hash_version),
    )
    told = [f"{name} {has!r} for {due!r}" for name, has, due in beside if has != due]
    return f"it has the {' and the '.join(told)}"


def _given_by(shown: Shown, versions: StoredVersions) -> tuple[int, ...]:
    """The newest few stored versions that draw what was recorded."""
    found = []
    for draws in versions.up_to(versions.newest):
        (drawn,) = draws.drawn([shown.unit_id])
        if draws.version != shown.version and expected_of(draws, drawn) == shown.variant_key:
            found.append(draws.version)
        if len(found) == _MOST_VERSIONS:
            break
    return tuple(found)


def _hashes_subject(shown: Shown, versions: StoredVersions) -> bool:
    draws = versions.of(shown.version).draws
    if draws is None or shown.subject_id == shown.unit_id:
        return False
    (drawn,) = draws.drawn([shown.subject_id])
    return expected_of(draws, drawn) == shown.variant_key
