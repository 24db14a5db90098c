"""The JSON of manifests as camelCase structs. A field at its default is left out of the output."""

from typing import Any, Final

import msgspec

from fairlot.engine import Device, ExperimentType, QueryOperator, Status, Unit, VisitorStatus
from fairlot.manifest.errors import InvalidManifest

SCHEMA: Final = "fairlot.manifest/1"
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024


class _Wire(msgspec.Struct, rename="camel", omit_defaults=True):
    """Defaults are such that msgspec recognises them by identity: None, enum members, empties."""


class WireVariant(_Wire):
    key: str
    id: str = ""
    name: str = ""
    is_control: bool = False
    weight: int | None = None
    recipe_sample_rate_bp: int | None = None
    payload: Any = None
    redirect: str | None = None
    js: str | None = None
    css: str | None = None
    dom_ops: list[Any] = []


class WireQueryParam(_Wire):
    key: str
    operator: QueryOperator
    value: str = ""


class WireAudience(_Wire):
    rule: dict[str, Any] = {}
    segments: list[str] = []
    url_patterns: list[str] = []
    query_params: list[WireQueryParam] = []
    device: Device = Device.ALL
    visitor_status: VisitorStatus = VisitorStatus.ANY
    sample_rate_bp: int | None = None


class WireLayerRange(_Wire):
    key: str
    start: int
    end: int


class WireHours(_Wire, kw_only=True):
    days: list[str] | None = None
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")


class WireSchedule(_Wire):
    start: str | None = None
    end: str | None = None
    hours: WireHours | None = None


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
    variants: list[WireVariant]
    divert_to: str | None = None
    rollout: str | None = None
    recheck_audience: bool = False
    adapter_is_randomised: bool = False
    server_only: bool = False
    manual_exposure: bool = False
    metadata: dict[str, Any] | None = None
    group: str | None = None
    priority: int | None = None
    display: str | None = None
    on_login: str | None = None
    trigger: dict[str, Any] | None = None
    shared_js: str | None = None
    shared_css: str | None = None


class WireHoldout(_Wire, kw_only=True):
    key: str
    salt: str | None = None
    rate_bp: int


class WireLayer(_Wire):
    key: str
    salt: str | None = None


class WireSegment(_Wire):
    key: str
    server_only: bool = False
    rule: dict[str, Any] | None = None
    attribute: str | None = None
    values: list[Any] = []
    salt: str = ""
    hashes: list[str] = []


class WireManifest(_Wire, kw_only=True):
    schema: str
    org: str
    project: str
    version: int
    published_at: str
    holdout: WireHoldout | None = None
    layers: list[WireLayer] = []
    segments: list[WireSegment] = []
    experiments: list[msgspec.Raw]


class WireSchema(msgspec.Struct):
    schema: str


class WireKey(_Wire):
    """All of an experiment that could not be read."""

    key: str


def check_size(payload: bytes) -> None:
    if len(payload) > MAX_MANIFEST_BYTES:
        problem = f"{len(payload)} bytes; a manifest has at most {MAX_MANIFEST_BYTES}"
        raise InvalidManifest(f"{problem}: remove experiments, or split the project")
