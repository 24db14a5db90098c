"""What can be wrong with a manifest, with its signature and with a key."""

from enum import StrEnum

from fairlot.engine import FairlotError
from fairlot.engine.errors import shorten


class InvalidManifest(FairlotError):
    """A manifest that cannot be read or written as a whole. `path` is a JSON path, or empty."""

    code = "invalid_manifest"

    def __init__(self, problem: str, path: str = "") -> None:
        self.problem = problem
        self.path = path
        super().__init__(f"{path}: {problem}" if path else problem)


class UnsupportedSchema(InvalidManifest):
    """A manifest of a schema that this version cannot read."""

    code = "unsupported_schema"

    def __init__(self, schema: str, supported: str) -> None:
        self.schema = schema
        super().__init__(f"schema is {schema!r}; this version reads {supported}", "$.schema")


class UnreadableExperiment(FairlotError):
    """The JSON of one experiment that has not the shape of one; `path` names the field."""

    code = "unreadable_experiment"

    def __init__(self, problem: str, path: str) -> None:
        self.problem = problem
        self.path = path
        super().__init__(f"{path}: {problem}" if path else problem)


class UnreadableDefinition(FairlotError):
    """The JSON of a definition that has not the shape of one; apply its file again."""

    code = "unreadable_definition"


class InvalidKey(FairlotError):
    """Key material that cannot be used."""

    code = "invalid_key"


class RefusalReason(StrEnum):
    """Why a signed document is not believed."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNSUPPORTED_HEADER = "unsupported_header"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    UNKNOWN_KEY = "unknown_key"
    UNTRUSTED_KEY = "untrusted_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_SCHEMA = "wrong_schema"
    INVALID_PAYLOAD = "invalid_payload"
    OTHER_PROJECT = "other_project"
    LOWER_VERSION = "lower_version"
    REVOKED = "revoked"


class ManifestRefused(FairlotError):
    """A signed manifest that must not be used; keep the last good one."""

    code = "manifest_refused"

    def __init__(self, reason: RefusalReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class InvalidPreview(FairlotError):
    """A preview token that cannot be made as asked."""

    code = "invalid_preview"

    def __init__(self, field: str, value: object, fix: str) -> None:
        self.field = field
        self.value = value
        self.fix = fix
        super().__init__(f"{field}: {shorten(value)}: {fix}")


class PreviewRefusal(StrEnum):
    """Why a preview token is not believed; the reasons of `conformance/RULES.md`."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNSUPPORTED_HEADER = "unsupported_header"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_SUBJECT = "wrong_subject"
    TOO_LONG = "too_long"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class PreviewRefused(FairlotError):
    """A preview token that is not believed: decide as if there were none. Never holds the token."""

    code = "preview_refused"

    def __init__(self, reason: PreviewRefusal, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")
