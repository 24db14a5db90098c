"""What could make a result wrong: each finding with its evidence, and what to do.

Import it when an experiment is examined: it loads the statistics and the queries.
"""

from fairlot.service.doctor.case import NOTHING_KNOWN, Circumstances
from fairlot.service.doctor.examining import examine

__all__ = ["NOTHING_KNOWN", "Circumstances", "examine"]
