"""What is known of a subject, and what its happenings change of it: pure functions over records."""

from fairlot.engine import History, Occurrence
from fairlot.profiles.claims import Claim, claim_of_source, claim_of_subject
from fairlot.profiles.happenings import Happening
from fairlot.profiles.merging import Merged, merged
from fairlot.profiles.records import (
    Account,
    Activation,
    Consent,
    Display,
    Identifier,
    IdentifierKind,
    KeptAssignment,
    Profile,
    Property,
    Sessions,
    source_identifier,
    subject_identifier,
)

__all__ = [
    "Account",
    "Activation",
    "Claim",
    "Consent",
    "Display",
    "Happening",
    "History",
    "Identifier",
    "IdentifierKind",
    "KeptAssignment",
    "Merged",
    "Occurrence",
    "Profile",
    "Property",
    "Sessions",
    "claim_of_source",
    "claim_of_subject",
    "merged",
    "source_identifier",
    "subject_identifier",
]
