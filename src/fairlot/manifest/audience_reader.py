"""The audience of an experiment, and the part of it that stands at the top level."""

import re
from collections.abc import Collection
from typing import Any, Final

from fairlot.engine import Audience, Device, QueryOperator, QueryParam, VisitorStatus
from fairlot.engine.model import FULL_RATE_BP
from fairlot.engine.queries import MAX_PARAMS
from fairlot.engine.urls import MAX_PATTERN_CHARS, MAX_PATTERNS
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.names import Names, unknown_name
from fairlot.manifest.nodes import shown
from fairlot.manifest.rule_reader import Rule, RuleCheck
from fairlot.manifest.shapes import Choice, Part, Parts, Rate, Text, TextItem, Texts

MAX_SEGMENTS: Final = 50
MAX_PARAM_KEY_CHARS: Final = 200
MAX_PARAM_VALUE_CHARS: Final = 2000

_ONE_LABEL: Final = re.compile(r"[^\s/.:*\[\\]+")
_VALUELESS: Final = (QueryOperator.EXISTS, QueryOperator.NOT_EXISTS)

_PARAM_KEY: Final = Field(
    "key",
    Text(MAX_PARAM_KEY_CHARS),
    "The name of the query parameter; case counts.",
    is_required=True,
)
_PARAM_OPERATOR: Final = Field(
    "operator",
    Choice(QueryOperator),
    "How its value is compared. equals, contains and not_equals ignore the case of a-z.",
    is_required=True,
)
_PARAM_VALUE: Final = Field(
    "value",
    Text(MAX_PARAM_VALUE_CHARS, least=0),
    "What it is compared with; not for exists and not_exists.",
)
_QUERY_PARAM: Final = Table(
    (_PARAM_KEY, _PARAM_OPERATOR, _PARAM_VALUE),
    "A condition on one parameter of the query string.",
    also={
        "if": {"properties": {"operator": {"enum": [*_VALUELESS]}}},
        "else": {"required": ["value"]},
    },
)

RULE: Final = Field(
    "rule",
    Rule(),
    "What the attributes of the subject must be: values, or operators such as $in and $gte.",
)
SEGMENTS: Final = Field(
    "segments",
    Texts(MAX_SEGMENTS, 64),
    "Keys of segments; the subject must be in all of them.",
)
_URL_PATTERNS: Final = Field(
    "urlPatterns",
    Texts(MAX_PATTERNS, MAX_PATTERN_CHARS, is_counted_here=False),
    "One of them must match the page: /path on every host, or host/path. * is any run of characters"
    " but /, ** any run at all. Not checked where the page is unknown.",
)
_QUERY_PARAMS: Final = Field(
    "queryParams",
    Parts(_QUERY_PARAM, MAX_PARAMS, is_counted_here=False),
    "Conditions on the query string, which must all hold.",
)
_DEVICE: Final = Field(
    "device", Choice(Device), "The device of the visitor.", default=Device.ALL.value
)
_VISITOR_STATUS: Final = Field(
    "visitorStatus",
    Choice(VisitorStatus),
    "Whether the subject has been here before this visit; new and returning are decided on the"
    " server.",
    default=VisitorStatus.ANY.value,
)
SAMPLE_RATE: Final = Field(
    "sampleRate",
    Rate(),
    "The part of those who match that enters, from 0 to 1 with up to four decimals.",
    default=1,
)
HOLDBACK: Final = Field(
    "holdback",
    Rate(),
    "The part that is left out: 1 - sampleRate. Write one of the two.",
    default=0,
)
_AUDIENCE_TABLE: Final = Table(
    (RULE, SEGMENTS, _URL_PATTERNS, _QUERY_PARAMS, _DEVICE, _VISITOR_STATUS, SAMPLE_RATE)
)
AUDIENCE: Final = Field(
    "audience", Part(_AUDIENCE_TABLE), "Who may enter; all parts that are there must hold."
)


def read_audience(top: Fields, names: Names) -> Audience:
    """The audience of the experiment whose fields are `top`; problems leave parts at defaults."""
    part = top.read(AUDIENCE)
    rate_bp = _read_sample_rate(top, part)
    if part is None:
        return Audience(sample_rate_bp=rate_bp)
    return Audience(
        rule=read_rule(part, names) or {},
        segments=read_segment_names(part, names.segments),
        url_patterns=_read_url_patterns(part),
        query_params=_read_query_params(part),
        device=part.read(_DEVICE) or Device.ALL,
        visitor_status=part.read(_VISITOR_STATUS) or VisitorStatus.ANY,
        sample_rate_bp=rate_bp,
    )


def read_rule(part: Fields, names: Names) -> dict[str, Any] | None:
    node = part.node(RULE.name)
    if node is not None:
        RuleCheck(part.problems, names).check(node, part.at(RULE.name))
    return part.read(RULE)


def read_segment_names(part: Fields, known: Collection[str]) -> tuple[str, ...]:
    named = part.read(SEGMENTS) or ()
    for path, node, name in named:
        if name not in known:
            part.problems.add(node.line, path, shown(node), unknown_name("segment", name, known))
    return tuple(name for _, _, name in named)


def _read_sample_rate(top: Fields, audience: Fields | None) -> int:
    """`audience.sampleRate`, or one of its spellings `sampleRate` and `holdback`; one of three."""
    spellings = [(top, SAMPLE_RATE), (top, HOLDBACK)]
    if audience is not None:
        spellings.append((audience, SAMPLE_RATE))
    written = [(fields, field) for fields, field in spellings if fields.has(field.name)]
    for fields, field in written[1:]:
        first = written[0][0].at(written[0][1].name)
        fields.refuse(field.name, f"says the same as {first}; keep one of them")
    rates = [(fields.read(field), field) for fields, field in written]
    rate_bp, field = rates[0] if rates else (None, SAMPLE_RATE)
    if rate_bp is None:
        return FULL_RATE_BP
    return FULL_RATE_BP - rate_bp if field is HOLDBACK else rate_bp


def _read_url_patterns(part: Fields) -> tuple[str, ...]:
    patterns: tuple[TextItem, ...] = part.read(_URL_PATTERNS) or ()
    for path, node, pattern in patterns:
        if _is_doubtful_host(pattern):
            message = f'this is a host; did you mean "/{pattern}"?'
            part.problems.add(node.line, path, shown(node), message)
    return tuple(pattern for _, _, pattern in patterns)


def _is_doubtful_host(pattern: str) -> bool:
    """Whether a pattern is a lone host that looks like a path without its slash."""
    return _ONE_LABEL.fullmatch(pattern) is not None and pattern.lower() != "localhost"


def _read_query_params(part: Fields) -> tuple[QueryParam, ...]:
    params = []
    for item in part.read(_QUERY_PARAMS) or ():
        key, operator = item.read(_PARAM_KEY), item.read(_PARAM_OPERATOR)
        value = item.read(_PARAM_VALUE)
        if operator is not None and operator not in _VALUELESS and not item.has("value"):
            item.refuse("value", f"missing; {operator} compares with it")
        params.append(QueryParam(key or "", operator or QueryOperator.EXISTS, value or ""))
    return tuple(params)
