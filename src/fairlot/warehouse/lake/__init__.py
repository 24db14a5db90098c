"""Events in Parquet: written by compaction out of the workers' files, read by DuckDB.

Nothing here imports DuckDB before it is used.
"""

from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.reading import Lake, UnreadableFile, open_lake
from fairlot.warehouse.lake.writing import write_events, write_relation

__all__ = [
    "EventKind",
    "Lake",
    "UnreadableFile",
    "open_lake",
    "write_events",
    "write_relation",
]
