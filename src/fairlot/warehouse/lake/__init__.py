"""Events in Parquet: written by compaction out of the workers' files, read by DuckDB.

Nothing here imports DuckDB before it is used.
"""

from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.compacting import Compacted, compact
from fairlot.warehouse.lake.readable import UnreadableFile
from fairlot.warehouse.lake.reading import Lake, open_lake
from fairlot.warehouse.lake.writing import write_events, write_relation

__all__ = [
    "Compacted",
    "EventKind",
    "Lake",
    "UnreadableFile",
    "compact",
    "open_lake",
    "write_events",
    "write_relation",
]
