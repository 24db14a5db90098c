"""For tests of code that uses the SDK: forced variants, a memory sink, a frozen clock, manifests.

The fixtures for pytest are in `fairlot.testing.fixtures`.
"""

from fairlot.testing.clock import FrozenClock
from fairlot.testing.force import force
from fairlot.testing.manifests import (
    UnusableExperiments,
    experiment_of,
    manifest_from_files,
    manifest_from_yaml,
    manifest_of,
)
from fairlot.testing.sink import MemorySink

__all__ = [
    "FrozenClock",
    "MemorySink",
    "UnusableExperiments",
    "experiment_of",
    "force",
    "manifest_from_files",
    "manifest_from_yaml",
    "manifest_of",
]
