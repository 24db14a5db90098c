"""How many units are remembered with each variant, over the files of all workers."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

from fairlot.warehouse.files import worker_files
from fairlot.warehouse.readers import read_files

_MOST_FILES: Final = 9  # SQLite attaches ten
_COUNT: Final = (
    "SELECT variant_key, count(*) FROM main.assignments AS own WHERE experiment_id = ?1"
    " AND assigned_at_ms >= ?2 AND assigned_at_ms < ?3{0} GROUP BY variant_key"
)
_NOT_IN: Final = (
    " AND NOT EXISTS (SELECT 1 FROM earlier{0}.assignments AS other"
    " WHERE other.experiment_id = own.experiment_id AND other.unit_id = own.unit_id)"
)


def assigned_units(
    directory: Path, experiment_id: str, from_ms: int, before_ms: int
) -> dict[str, int] | None:
    """By variant; a unit that several workers remember counts once. None where there are more
    files than can be compared. Raises UnusableLogFile."""
    if len(worker_files(directory)) > _MOST_FILES:
        return None
    found: Counter[str] = Counter()
    earlier: list[Path] = []
    for file in read_files(directory, "assignments"):
        with closing(file):
            unseen = ""
            for number, other in enumerate(earlier):
                uri = f"{other.absolute().as_uri()}?mode=ro"
                file.execute(f"ATTACH ? AS earlier{number}", (uri,))
                unseen += _NOT_IN.format(number)
            asked = (experiment_id, from_ms, before_ms)
            found.update(dict(file.execute(_COUNT.format(unseen), asked).fetchall()))
            earlier.append(Path(file.execute("PRAGMA database_list").fetchone()[2]))
    return dict(found)
