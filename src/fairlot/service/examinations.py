"""What an examination of an experiment found, as commands and the API print it."""

import msgspec

from fairlot.stats.findings import Finding


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`exposed` are the subjects that are analysed, by variant. Without a finding nothing that the
    doctor looks for is wrong."""

    project: str
    experiment: str
    experiment_id: str
    as_of_ms: int
    exposed: dict[str, int]
    findings: tuple[Finding, ...]
