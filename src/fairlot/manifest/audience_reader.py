"""The audience of an experiment, and the part of it that stands at the top level."""

import re
from collections.abc import Collection
from typing import Final

from fairlot.engine import Audience, Device, QueryOperator, QueryParam, VisitorStatus
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest.fields import Fields
from fairlot.manifest.names import Names, unknown_name
from fairlot.manifest.nodes import shown
from fairlot.manifest.rule_reader import RuleCheck

AUDIENCE_FIELDS: Final = (
    "rule",
    "segments",
    "urlPatterns",
    "queryParams",
    "device",
    "visitorStatus",
    "sampleRate",
)
MAX_SEGMENTS: Final = 50
QUERY_PARAM_FIELDS: Final = ("key", "operator", "value")
_ONE_LABEL: Final = re.compile(r"[^\s/.:*\[\\]+")
_VALUELESS: Final = (QueryOperator.EXISTS, QueryOperator.NOT_EXISTS)


def read_audience(top: Fields, names: Names) -> Audience:
    """The audience of the experiment whose fields are `top`; problems leave parts at defaults."""
    part = top.fields("audience", AUDIENCE_FIELDS)
    rate_bp = read_sample_rate(top, part)
    if part is None:
        return Audience(sample_rate_bp=rate_bp)
    rule_node = part.node("rule")
    if rule_node is not None:
        RuleCheck(part.problems, names).check(rule_node, part.at("rule"))
    if part.choice("visitorStatus", VisitorStatus) in (VisitorStatus.NEW, VisitorStatus.RETURNING):
        part.refuse("visitorStatus", "this server keeps no visitor profiles yet; leave it out")
    return Audience(
        rule=part.json_object("rule") or {},
        segments=read_segment_names(part, names.segments),
        url_patterns=_read_url_patterns(part),
        query_params=_read_query_params(part),
        device=part.choice("device", Device) or Device.ALL,
        sample_rate_bp=rate_bp,
    )


def read_sample_rate(top: Fields, audience: Fields | None) -> int:
    """`audience.sampleRate`, or one of its spellings `sampleRate` and `holdback`; one of three."""
    spellings = [(top, "sampleRate"), (top, "holdback")]
    if audience is not None:
        spellings.append((audience, "sampleRate"))
    written = [(fields, name) for fields, name in spellings if fields.has(name)]
    for fields, name in written[1:]:
        first = written[0][0].at(written[0][1])
        fields.refuse(name, f"says the same as {first}; keep one of them")
    rates = [(fields.rate_bp(name), name) for fields, name in written]
    rate_bp, name = rates[0] if rates else (None, "")
    if rate_bp is None:
        return FULL_RATE_BP
    return FULL_RATE_BP - rate_bp if name == "holdback" else rate_bp


def read_segment_names(part: Fields, known: Collection[str]) -> tuple[str, ...]:
    named = list(part.item_texts("segments"))
    if len(named) > MAX_SEGMENTS:
        part.refuse("segments", f"{len(named)} segments; use at most {MAX_SEGMENTS}")
    for path, node, name in named:
        if name not in known:
            part.problems.add(node.line, path, shown(node), unknown_name("segment", name, known))
    return tuple(name for _, _, name in named)


def _read_url_patterns(part: Fields) -> tuple[str, ...]:
    patterns = []
    for path, node, pattern in part.item_texts("urlPatterns"):
        if _is_doubtful_host(pattern):
            message = f'this is a host; did you mean "/{pattern}"?'
            part.problems.add(node.line, path, shown(node), message)
        patterns.append(pattern)
    return tuple(patterns)


def _is_doubtful_host(pattern: str) -> bool:
    """Whether a pattern is a lone host that looks like a path without its slash."""
    return _ONE_LABEL.fullmatch(pattern) is not None and pattern.lower() != "localhost"


def _read_query_params(part: Fields) -> tuple[QueryParam, ...]:
    params = []
    for item in part.item_fields("queryParams", QUERY_PARAM_FIELDS):
        item.require("key", "operator")
        key, operator = item.text("key"), item.choice("operator", QueryOperator)
        value = item.any_text("value")
        if operator is not None and operator not in _VALUELESS and not item.has("value"):
            item.refuse("value", f"missing; {operator} compares with it")
        params.append(QueryParam(key or "", operator or QueryOperator.EXISTS, value or ""))
    return tuple(params)
