"""The JSON of manifests as camelCase structs. A field at its default is left out of the output.

Names, and all defaults but those that depend on another field, are those of the engine's model.
"""

from typing import Any, Final

import msgspec

from fairlot.engine import (
    Device,
    ExperimentType,
    FeedAlgorithm,
    QueryOperator,
    Status,
    Take,
    Unit,
    VisitorStatus,
)
from fairlot.engine.model import FULL_RATE_BP

SCHEMA: Final = "fairlot.manifest/1"


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True):
    pass


class WireVariant(_Wire):
    key: str
    id: str = ""
    name: str = ""
    is_control: bool = False
    weight: int | None = None
    recipe_sample_rate_bp: int = FULL_RATE_BP
    payload: Any = None
    redirect: str | None = None
    js: str | None = None
    css: str | None = None
    dom_ops: tuple[Any, ...] = ()


class WireQueryParam(_Wire):
    key: str
    operator: QueryOperator
    value: str = ""


class WireAudience(_Wire):
    rule: dict[str, Any] = {}
    segments: tuple[str, ...] = ()
    url_patterns: tuple[str, ...] = ()
    query_params: tuple[WireQueryParam, ...] = ()
    device: Device = Device.ALL
    visitor_status: VisitorStatus = VisitorStatus.ANY
    sample_rate_bp: int = FULL_RATE_BP


class WireLayerRange(_Wire):
    key: str
    start: int
    end: int


class WireHours(_Wire, kw_only=True):
    days: tuple[str, ...] | None = None
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class WireSchedule(_Wire):
    start: str | None = None
    end: str | None = None
    hours: WireHours | None = None


class WireEventRule(_Wire, kw_only=True):
    event: str
    where: dict[str, Any] = {}
    count: int = 1
    within_ms: int | None = None


class WireActivation(_Wire, kw_only=True):
    when: WireEventRule
    for_ms: int | None = None
    limit: int | None = None
    control_share_bp: int


class WireExperiment(_Wire, kw_only=True):
    key: str
    id: str = ""
    name: str = ""
    type: ExperimentType = ExperimentType.AB
    status: Status = Status.RUNNING
    hash_version: int
    salt: str | None = None
    unit: Unit = Unit.SUBJECT
    audience: WireAudience | None = None
    layer: WireLayerRange | None = None
    schedule: WireSchedule | None = None
    variants: tuple[WireVariant, ...]
    divert_to: str | None = None
    rollout: str | None = None
    recheck_audience: bool = False
    adapter_is_randomised: bool = False
    server_only: bool = False
    manual_exposure: bool = False
    metadata: dict[str, Any] | None = None
    group: str | None = None
    priority: int = 0
    display: str = "always"
    on_login: str = "keep"
    trigger: dict[str, Any] | None = None
    shared_js: str | None = None
    shared_css: str | None = None
    activation: WireActivation | None = None


class WireHoldout(_Wire, kw_only=True):
    key: str
    salt: str | None = None
    rate_bp: int


class WireLayer(_Wire):
    key: str
    salt: str | None = None


class WireHistoryCondition(WireEventRule, kw_only=True):
    performed: bool = True


class WireSegment(_Wire):
    key: str
    server_only: bool = False
    rule: dict[str, Any] | None = None
    history: tuple[WireHistoryCondition, ...] = ()
    attribute: str | None = None
    values: tuple[Any, ...] = ()
    salt: str = ""
    hashes: tuple[str, ...] = ()


class WireProperty(_Wire, kw_only=True):
    key: str
    when: WireEventRule
    value: str | None = None
    take: Take = Take.LAST


class WireFeed(_Wire, kw_only=True):
    key: str
    algorithm: FeedAlgorithm
    view_weight: float = 1.0
    cart_weight: float = 3.0
    order_weight: float = 10.0
    half_life_ms: int = 7 * 86_400_000
    fill_up: tuple[str, ...] = ()
    only: dict[str, Any] = {}
    exclude: dict[str, Any] = {}
    pin: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    limit: int = 10


class WireManifest(_Wire, kw_only=True):
    """Activations, histories, `properties` and `feeds` are in what the server decides by only."""

    schema: str
    org: str
    project: str
    version: int
    published_at: str
    keys: tuple[str, ...] = ()
    holdout: WireHoldout | None = None
    layers: tuple[WireLayer, ...] = ()
    segments: tuple[WireSegment, ...] = ()
    experiments: list[msgspec.Raw]
    properties: tuple[WireProperty, ...] = ()
    feeds: tuple[WireFeed, ...] = ()


class WireSchema(msgspec.Struct):
    schema: str


class WireKey(_Wire):
    """All of an experiment that could not be read."""

    key: str
