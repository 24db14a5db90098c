"""The document that `plan` and `apply` answer with: what would change, and who would move.

Its JSON is camelCase. Rendering it needs nothing else, so the CLI shows the same for a local data
directory and for a remote server.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType, field, structs

from fairlot.engine import Unit

WINDOW_DAYS = 28


class ChangedKind(StrEnum):
    EXPERIMENT = "experiment"
    LAYER = "layer"
    SEGMENT = "segment"
    HOLDOUT = "holdout"
    METRIC = "metric"
    FEED = "feed"
    PROPERTY = "property"


class ChangeAction(StrEnum):
    """`STATUS`: nothing but the status. `NONE`: the files say what is stored."""

    CREATE = "create"
    UPDATE = "update"
    STATUS = "status"
    DELETE = "delete"
    NONE = "none"


class FieldChange(Struct, frozen=True, kw_only=True, rename="camel"):
    """`path` is the field as in YAML: `audience.rule`, `variants.blue.weight`, `status`. A side on
    which the field is absent is left out of the JSON; null is a value."""

    path: str
    before: Any | UnsetType = UNSET
    after: Any | UnsetType = UNSET


class PlannedChange(Struct, frozen=True, kw_only=True, rename="camel"):
    """One document of the files, or of the project. `notes` are sentences for the reader."""

    kind: ChangedKind
    key: str
    action: ChangeAction
    fields: tuple[FieldChange, ...] = ()
    notes: tuple[str, ...] = ()


class Cause(StrEnum):
    """Why an experiment's answers may change. `CREATED` and `REMOVED` are told from the manifest:
    also a draft that starts, and an experiment that is completed without a roll-out."""

    CREATED = "created"
    REMOVED = "removed"
    EXPERIMENT = "experiment"
    LAYER = "layer"
    SEGMENT = "segment"
    PROPERTY = "property"
    HOLDOUT = "holdout"


class ReshuffleKind(StrEnum):
    """What deals anew: subjects change that no change of a weight or a rate asks for."""

    VARIANT_ORDER = "variantOrder"
    VARIANT_RANGES = "variantRanges"
    LAYER_RANGE = "layerRange"
    LAYER = "layer"
    LAYER_SALT = "layerSalt"
    HOLDOUT_SALT = "holdoutSalt"
    SALT = "salt"
    UNIT = "unit"


class Reshuffle(Struct, frozen=True, kw_only=True, rename="camel"):
    kind: ReshuffleKind
    sentence: str


class NotCountableKind(StrEnum):
    """What the event log cannot tell. The first eight are changed parts of whom it is for."""

    RULE = "rule"
    SEGMENTS = "segments"
    PROPERTIES = "properties"
    VISITOR_STATUS = "visitorStatus"
    URL_PATTERNS = "urlPatterns"
    QUERY_PARAMS = "queryParams"
    DEVICE = "device"
    WHEN = "when"
    RECHECK_AUDIENCE = "recheckAudience"
    ENTERING = "entering"
    UNIT = "unit"
    ADAPTER = "adapter"
    SCHEDULE = "schedule"
    ACTIVATED = "activated"
    NO_LOG = "noLog"
    NOBODY_KNOWN = "nobodyKnown"


AUDIENCE_PARTS: Final = frozenset(
    {
        NotCountableKind.RULE,
        NotCountableKind.SEGMENTS,
        NotCountableKind.PROPERTIES,
        NotCountableKind.VISITOR_STATUS,
        NotCountableKind.URL_PATTERNS,
        NotCountableKind.QUERY_PARAMS,
        NotCountableKind.DEVICE,
        NotCountableKind.WHEN,
    }
)


class NotCountable(Struct, frozen=True, kw_only=True, rename="camel"):
    kind: NotCountableKind
    sentence: str


class PairShare(Struct, frozen=True, kw_only=True, rename="camel"):
    """The share of the eligible whose answer turns from one variant to the other; null is none."""

    before: str | None = field(name="from")
    after: str | None = field(name="to")
    share: Decimal


class PairCount(Struct, frozen=True, kw_only=True, rename="camel"):
    """As `PairShare`, in known subjects."""

    before: str | None = field(name="from")
    after: str | None = field(name="to")
    subjects: int


class Basis(StrEnum):
    """Whom a figure is about: all known subjects; those that were seen in the experiment, for only
    of them the log tells that they match its audience; those of them that are remembered, for the
    memory comes before a rule that has changed."""

    KNOWN = "known"
    SEEN = "seen"
    REMEMBERED = "remembered"


class KnownFigure(Struct, frozen=True, kw_only=True, rename="camel"):
    """What becomes of the `subjects` known subjects (accounts, where these are the unit) whose
    answers the log can tell, before and after. `moved` from variant to variant; `pairs` are all
    that change, the most frequent first."""

    basis: Basis
    subjects: int
    moved: int
    entered: int
    left: int
    pairs: tuple[PairCount, ...] = ()

    @property
    def changed(self) -> int:
        return self.moved + self.entered + self.left


class Remembered(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many of the known subjects have a remembered variant: `stored` by the server, or only
    `shown`: an SDK's memory is with the visitor, so what it showed counts as remembered."""

    stored: int
    shown: int


class Effect(Struct, frozen=True, kw_only=True, rename="camel"):
    """What becomes of one experiment's answers, at the moment of the plan.

    `share` is exact: of the eligible (all parts of the audience counted as matching), by the
    draws, over all ids. A figure is None when the log can tell it of nobody; `notCountable` says
    why, and also what a figure leaves out.
    """

    experiment: str
    unit: Unit
    causes: tuple[Cause, ...]
    share: Decimal
    pairs: tuple[PairShare, ...]
    by_draw: KnownFigure | None
    after_sticky: KnownFigure | None
    remembered: Remembered | None
    reshuffles: tuple[Reshuffle, ...] = ()
    not_countable: tuple[NotCountable, ...] = ()

    @property
    def changes_audience(self) -> bool:
        """Whether a part of the audience changes. Whom that moves is in no share and no figure."""
        return any(each.kind in AUDIENCE_PARTS for each in self.not_countable)

    def without(self, kind: NotCountableKind) -> "Effect":
        """The effect for those whom that is told otherwise."""
        gaps = tuple(each for each in self.not_countable if each.kind is not kind)
        return structs.replace(self, not_countable=gaps)


class KnownSummary(Struct, frozen=True, kw_only=True, rename="camel"):
    """Whom the event log knows: the distinct ids in exposures since `sinceMs`."""

    subjects: int
    accounts: int
    since_ms: int


class PlanWarning(Struct, frozen=True, kw_only=True, rename="camel"):
    """`about` is what it concerns, such as `experiment:welcome`; `code` is stable."""

    code: str
    about: str
    sentence: str


class NotInFiles(Struct, frozen=True, kw_only=True, rename="camel"):
    """Stored, and named by no file; it stays as it is unless deletes are allowed."""

    kind: ChangedKind
    key: str
    status: str | None = None


class PlanDocument(Struct, frozen=True, kw_only=True, rename="camel"):
    """`base` is a tag of the project's state: `apply` with an older one is refused as stale."""

    org: str
    project: str
    base: str
    now_ms: int
    changes: tuple[PlannedChange, ...]
    effects: tuple[Effect, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    not_in_files: tuple[NotInFiles, ...] = ()
    known: KnownSummary | None = None
