"""What is known of a subject, and what its happenings change of it: pure functions over records."""

from fairlot.engine import History, Occurrence
from fairlot.profiles.attributes import MAX_ATTRIBUTES_BYTES
from fairlot.profiles.claims import Claim, claim_of_source, claim_of_subject, claim_of_user
from fairlot.profiles.happenings import Happening
from fairlot.profiles.merging import Merged, Switch, merged
from fairlot.profiles.names import identifiers_written, written_identifier
from fairlot.profiles.products import PRODUCT_EVENTS, ProductEvents, Sighting
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
    Viewed,
    anonymous_digest,
    called,
    source_identifier,
    subject_identifier,
    user_identifier,
)

__all__ = [
    "MAX_ATTRIBUTES_BYTES",
    "PRODUCT_EVENTS",
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
    "ProductEvents",
    "Profile",
    "Property",
    "Sessions",
    "Sighting",
    "Switch",
    "Viewed",
    "anonymous_digest",
    "called",
    "claim_of_source",
    "claim_of_subject",
    "claim_of_user",
    "identifiers_written",
    "merged",
    "source_identifier",
    "subject_identifier",
    "user_identifier",
    "written_identifier",
]
