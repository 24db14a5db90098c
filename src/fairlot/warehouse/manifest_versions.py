"""Which versions of a manifest subjects were decided by, as far as the event log knows."""

from contextlib import closing
from pathlib import Path

from fairlot.warehouse.lake.layout import projects_in
from fairlot.warehouse.readers import read_files

# What was sent with a publishable credential may say anything. Absent is trusted.
_HIGHEST = """
    SELECT project_id, max(version) FROM (
        SELECT json_extract(body, '$.project_id') AS project_id,
            json_extract(body, '$.manifest_version') AS version,
            json_extract(body, '$.trust') AS trust
        FROM (SELECT CAST(body AS TEXT) AS body FROM exposures)
    ) WHERE trust IS NULL AND version <= ? GROUP BY project_id
"""


def highest_manifest_versions(directory: Path, limit: int) -> dict[str, int]:
    """By project id, of exposures that this server or a holder of an API key recorded; versions
    above `limit` are not believed. Reads every exposure. Raises UnusableLogFile."""
    found: dict[str, int] = {}
    for file in read_files(directory, "exposures"):
        with closing(file):
            for project_id, version in file.execute(_HIGHEST, (limit,)):
                found[project_id] = max(version, found.get(project_id, 0))
    for project_id in projects_in(directory):
        highest = _highest_in_lake(directory, project_id, limit)
        if highest is not None:
            found[project_id] = highest
    return found


def _highest_in_lake(directory: Path, project_id: str, limit: int) -> int | None:
    from fairlot.warehouse.lake.records import highest_manifest_version  # slow, and rarely needed

    return highest_manifest_version(directory, project_id, limit)
