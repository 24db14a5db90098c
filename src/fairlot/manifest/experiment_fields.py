"""The fields of an experiment's document; those of its larger parts stand with their readers."""

import re
from enum import StrEnum
from typing import Final

from fairlot.engine import ExperimentType, Unit
from fairlot.engine.model import BUCKETS
from fairlot.manifest.activation_reader import ACTIVATION_ALSO, ACTIVATION_FIELDS
from fairlot.manifest.analysis_reader import ANALYSIS
from fairlot.manifest.audience_reader import AUDIENCE, HOLDBACK, SAMPLE_RATE
from fairlot.manifest.document_kind import KIND
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.metric_reader import METRICS
from fairlot.manifest.nodes import Node, Scalar
from fairlot.manifest.schedule_reader import SCHEDULE
from fairlot.manifest.shapes import (
    KEY_SHAPE,
    MAX_CODE_CHARS,
    MAX_NAME_CHARS,
    MAX_PROSE_CHARS,
    SALT_SHAPE,
    Choice,
    Flag,
    JsonObject,
    Matching,
    Part,
    Text,
    Texts,
    Whole,
)
from fairlot.manifest.spec import TargetStatus
from fairlot.manifest.variant_reader import NO_EFFECT, VARIANTS

MAX_PRIORITY: Final = 1_000_000

_GROUP: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Display(StrEnum):
    ALWAYS = "always"
    ONCE = "once"
    ONCE_PER_VISIT = "once_per_visit"


class OnLogin(StrEnum):
    KEEP = "keep"
    SWITCH = "switch"
    EXCLUDE = "exclude"


class TriggerKind(StrEnum):
    AUTO = "auto"
    URL_MATCH = "urlMatch"
    WAIT_FOR_SELECTOR = "waitForSelector"
    EVENT = "event"


class _Rollout(Text):
    """The key of a variant, for which people like to write true."""

    def read(self, fields: Fields, name: str, node: Node) -> str | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            fields.refuse(name, "name the variant that everybody gets, by its key")
            return None
        return super().read(fields, name, node)


LAYER_KEY: Final = Field(
    "key", KEY_SHAPE, "The layer; it is made when it is first named.", is_required=True
)
LAYER_START: Final = Field(
    "start",
    Whole(0, BUCKETS),
    f"The first of its buckets, of 0 to {BUCKETS - 1}.",
    is_required=True,
)
LAYER_END: Final = Field("end", Whole(0, BUCKETS), "The bucket after its last.", is_required=True)
_LAYER_TABLE: Final = Table((LAYER_KEY, LAYER_START, LAYER_END))

_TRIGGER_KIND: Final = Field(
    "kind", Choice(TriggerKind), "What sets the experiment off in a browser.", is_required=True
)
_TRIGGER_TABLE: Final = Table((_TRIGGER_KIND,), is_open=True)

KEY: Final = Field(
    "key", KEY_SHAPE, "The name in requests; for ever.", is_required=True, alias="id"
)
ID: Final = Field("id", KEY_SHAPE, "Another spelling of key; write one of them.")
NAME: Final = Field("name", Text(MAX_NAME_CHARS), "For people; in every answer.", is_required=True)
DESCRIPTION: Final = Field("description", Text(MAX_PROSE_CHARS), "For people; never published.")
HYPOTHESIS: Final = Field(
    "hypothesis", Text(MAX_PROSE_CHARS), "What you expect, and why; never published."
)
OWNER: Final = Field("owner", Text(MAX_NAME_CHARS), "Who answers for it; never published.")
TAGS: Final = Field("tags", Texts(50, 100), "For people; never published.")
TYPE: Final = Field(
    "type",
    Choice(ExperimentType),
    "A label in answers; a personalization may have one variant only, and be activated by events.",
    default=ExperimentType.AB.value,
)
STATUS: Final = Field(
    "status",
    Choice(TargetStatus),
    "The state that `apply` should reach.",
    default=TargetStatus.RUNNING.value,
)
ROLLOUT: Final = Field(
    "rollout",
    _Rollout(MAX_NAME_CHARS),
    "The key of the variant that everybody eligible gets; with status completed only.",
)
GROUP: Final = Field(
    "group",
    Matching(_GROUP, "use 1 to 128 of A-Z a-z 0-9 _ -"),
    "A name under which the Choose API is asked for several experiences together.",
)
PRIORITY: Final = Field(
    "priority",
    Whole(-MAX_PRIORITY, MAX_PRIORITY),
    "The place among the answers of the Choose and personalization APIs, the highest first.",
    default=0,
)
UNIT: Final = Field(
    "unit",
    Choice(Unit),
    "Whose id is drawn: the subject's, or that of the account in the context.",
    default=Unit.SUBJECT.value,
)
SALT: Final = Field(
    "salt",
    SALT_SHAPE,
    "What is hashed with the unit; the key without it. Another one deals everybody anew.",
)
LAYER: Final = Field(
    "layer",
    Part(_LAYER_TABLE),
    "The buckets of a layer that it owns; experiments in a layer never share a subject.",
)
DIVERT_TO: Final = Field(
    "divertTo",
    Text(MAX_NAME_CHARS),
    "The key of the variant that everybody eligible gets; nothing is drawn or remembered.",
)
DISPLAY: Final = Field(
    "display",
    Choice(Display),
    "How often the Choose API serves it to a subject; all but always is decided on the server.",
    default=Display.ALWAYS.value,
)
ON_LOGIN: Final = Field(
    "onLogin",
    Choice(OnLogin),
    "What becomes of a visitor's variant at login: kept, drawn anew by the user id, or kept and"
    " excluded from the analysis.",
    default=OnLogin.KEEP.value,
)
RECHECK_AUDIENCE: Final = Field(
    "recheckAudience",
    Flag(),
    "Whether those who stop matching the rule leave, also with a remembered variant.",
    default=False,
)
ADAPTER_IS_RANDOMISED: Final = Field(
    "adapterIsRandomised",
    Flag(),
    "Whether the answers of a decision adapter are random, and so remembered.",
    default=False,
)
MANUAL_EXPOSURE: Final = Field(
    "manualExposure",
    Flag(),
    "Whether an exposure is recorded only when your code says so.",
    default=False,
)
TRIGGER: Final = Field("trigger", JsonObject(_TRIGGER_TABLE), NO_EFFECT)
SHARED_JS: Final = Field("sharedJs", Text(MAX_CODE_CHARS), NO_EFFECT)
SHARED_CSS: Final = Field("sharedCss", Text(MAX_CODE_CHARS), NO_EFFECT)
METADATA: Final = Field(
    "metadata",
    JsonObject(Table((), is_open=True)),
    "For your own programs; in the manifest, up to 64 KiB.",
)

EXPERIMENT_TABLE: Final = Table(
    (
        KIND,
        KEY,
        ID,
        NAME,
        DESCRIPTION,
        HYPOTHESIS,
        OWNER,
        TAGS,
        TYPE,
        STATUS,
        ROLLOUT,
        GROUP,
        PRIORITY,
        UNIT,
        SALT,
        SAMPLE_RATE,
        HOLDBACK,
        AUDIENCE,
        LAYER,
        SCHEDULE,
        DIVERT_TO,
        DISPLAY,
        *ACTIVATION_FIELDS,
        ON_LOGIN,
        RECHECK_AUDIENCE,
        ADAPTER_IS_RANDOMISED,
        MANUAL_EXPOSURE,
        TRIGGER,
        SHARED_JS,
        SHARED_CSS,
        METADATA,
        VARIANTS,
        METRICS,
        ANALYSIS,
    ),
    "An experiment.",
    also=ACTIVATION_ALSO,
    no_fields={"hashVersion": "no file changes how subjects are hashed; leave it out"},
)
