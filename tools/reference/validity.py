"""What makes one experiment of a manifest invalid."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reference.conditions import is_operator_object
from reference.patterns import python_regex

ORDER = ("$lt", "$lte", "$gt", "$gte")
LISTS = ("$in", "$nin", "$ini", "$nini", "$all", "$alli")
REGEX = ("$regex", "$regexi", "$notRegex", "$notRegexi")
VERSIONS = ("$veq", "$vne", "$vgt", "$vgte", "$vlt", "$vlte")
GROUPS = ("$inGroup", "$notInGroup")
PLAIN = ("$eq", "$ne", "$exists", "$type", "$size", "$elemMatch", "$not")
OPERATORS = frozenset(ORDER + LISTS + REGEX + VERSIONS + GROUPS + PLAIN)
LONGEST_MS = 400 * 24 * 3600 * 1000
STATUSES = ("running", "paused", "completed")
Json = Mapping[str, Any]


class Broken(Exception):
    """The experiment is invalid; the text says why."""


def require(holds: bool, why: str) -> None:
    if not holds:
        raise Broken(why)


def check_rate(value: Any, name: str) -> None:
    require(type(value) is int and 0 <= value <= 10000, f"{name} outside 0..10000")


def check_experiment(experiment: Json, manifest: Json) -> None:
    """Raise Broken for whatever C1 calls invalid."""
    key, salt = experiment["key"], experiment.get("salt", experiment["key"])
    require(isinstance(key, str) and isinstance(salt, str), "key and salt are strings")
    require(re.fullmatch("[a-z][a-z0-9_-]{0,63}", key) is not None, "bad key")
    require(re.fullmatch("[A-Za-z0-9._-]{1,128}", salt) is not None, "bad salt")
    version = experiment.get("hashVersion")
    require(type(version) is int and version == 1, "unknown hashVersion")
    require(experiment.get("status", "running") in STATUSES, "unknown status")
    check_variants(experiment)
    layer = experiment.get("layer")
    if layer is not None:
        known = {one["key"] for one in manifest.get("layers", [])}
        require(layer["key"] in known, "unknown layer")
        require(0 <= layer["start"] < layer["end"] <= 10000, "bad layer range")
    check_schedule(experiment.get("schedule", {}))
    check_audience(experiment.get("audience", {}), manifest)
    if "activation" in experiment:
        check_activation(experiment, manifest)


def check_activation(experiment: Json, manifest: Json) -> None:
    activation = experiment["activation"]
    segments = {one["key"]: one for one in manifest.get("segments", [])}
    check_event(activation["when"], segments)
    require(1 <= activation.get("forMs", 1) <= LONGEST_MS, "forMs out of range")
    require(1 <= activation.get("limit", 1) <= 1_000_000, "limit out of range")
    check_rate(activation["controlShareBp"], "controlShareBp")
    require(experiment.get("type") == "personalization", "activated without being personalization")
    keys = [one["key"] for one in experiment["variants"]]
    require("control" not in keys, "a variant called control")


def check_event(rule: Json, segments: Mapping[str, Json]) -> None:
    require(isinstance(rule["event"], str), "an event has a name")
    require(1 <= rule.get("count", 1) <= 1000, "count out of range")
    require(1 <= rule.get("withinMs", 1) <= LONGEST_MS, "withinMs out of range")
    check_rule(rule.get("where", {}), segments)


def check_variants(experiment: Json) -> None:
    variants = experiment["variants"]
    require(isinstance(variants, list), "variants is a list")
    least = 1 if experiment.get("type") == "personalization" else 2
    require(least <= len(variants) <= 200, "too few or too many variants")
    keys = [one["key"] for one in variants]
    require(len(set(keys)) == len(keys), "duplicate variant keys")
    weights = [one["weight"] for one in variants if "weight" in one]
    require(len(weights) in (0, len(keys)), "weights on some variants only")
    if weights:
        require(
            all(type(one) is int and one >= 0 for one in weights),
            "weights are integers",
        )
        require(sum(weights) == 10000, "weights do not sum to 10000")
    for one in variants:
        require(re.fullmatch("[a-z0-9_-]{1,32}", one["key"]) is not None, "bad variant key")
        check_rate(one.get("recipeSampleRateBp", 10000), "recipeSampleRateBp")
    for field in ("divertTo", "rollout"):
        require(experiment.get(field, keys[0]) in keys, f"{field} names no variant")


def check_schedule(schedule: Json) -> None:
    for field in ("start", "end"):
        if field in schedule:
            datetime.fromisoformat(schedule[field])
    hours = schedule.get("hours")
    if hours is not None:
        for field in ("from", "to"):
            require(
                re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", hours[field]) is not None,
                field,
            )
        require(hours["from"] != hours["to"], "hours without extent")


def check_audience(audience: Json, manifest: Json) -> None:
    check_rate(audience.get("sampleRateBp", 10000), "sampleRateBp")
    patterns = audience.get("urlPatterns", [])
    require(len(patterns) <= 200, "more than 200 URL patterns")
    require(all(len(one) <= 2000 for one in patterns), "URL pattern longer than 2000")
    wildcards = max((len(re.findall(r"\*+", one)) for one in patterns), default=0)
    require(wildcards <= 20, "more than 20 wildcards in a URL pattern")
    require(len(audience.get("queryParams", [])) <= 50, "more than 50 query parameter conditions")
    for clause in audience.get("queryParams", []):
        known = ("equals", "not_equals", "contains", "exists", "not_exists", "regex")
        require(clause["operator"] in known, "unknown query operator")
        if clause["operator"] == "regex":
            python_regex(clause["value"])
    segments = {one["key"]: one for one in manifest.get("segments", [])}
    check_rule(audience.get("rule", {}), segments)
    for name in audience.get("segments", []):
        require(name in segments, "unknown segment")
        require(not segments[name].get("serverOnly"), "segment that only the server knows")
        check_rule(segments[name].get("rule", {}), segments)
        for condition in segments[name].get("history", []):
            check_event(condition, segments)


def check_rule(rule: Any, segments: Mapping[str, Json]) -> None:
    require(count_clauses(rule, 1, segments) <= 200, "more than 200 clauses")


def count_clauses(rule: Any, depth: int, segments: Mapping[str, Json]) -> int:
    require(isinstance(rule, dict), "a condition is an object")
    require(depth <= 8, "deeper than 8")
    total = 0
    for key, operand in rule.items():
        if key in ("$and", "$or", "$nor"):
            require(isinstance(operand, list), f"{key} takes a list")
            total += sum(count_clauses(part, depth + 1, segments) for part in operand)
        elif key == "$not":
            total += count_clauses(operand, depth + 1, segments)
        else:
            require(not key.startswith("$"), f"unknown operator {key}")
            total += count_value(operand, depth, segments)
    return total


def count_value(operand: Any, depth: int, segments: Mapping[str, Json]) -> int:
    if not is_operator_object(operand):
        plain = not isinstance(operand, dict) or not any(key.startswith("$") for key in operand)
        require(plain, "operators mixed with plain keys")
        return 1
    require(depth <= 8, "deeper than 8")
    total = 0
    for name, arg in operand.items():
        total += 1
        if name == "$not":
            total += count_value(arg, depth + 1, segments)
        elif name == "$elemMatch":
            total += count_element(arg, depth + 1, segments)
        else:
            check_operand(name, arg, depth, segments)
    return total


def count_element(arg: Any, depth: int, segments: Mapping[str, Json]) -> int:
    logic = isinstance(arg, dict) and any(key in ("$and", "$or", "$nor") for key in arg)
    if is_operator_object(arg) and not logic:
        return count_value(arg, depth, segments)
    return count_clauses(arg, depth, segments)


def check_operand(name: str, arg: Any, depth: int, segments: Mapping[str, Json]) -> None:
    require(name in OPERATORS, f"unknown operator {name}")
    if name in LISTS and isinstance(arg, list):
        require(len(arg) <= 500, "more than 500 values")
    if name in REGEX:
        require(isinstance(arg, str), "a pattern is a string")
        python_regex(arg)
    if name in VERSIONS:
        require(isinstance(arg, str), "a version is a string")
    if name in GROUPS:
        known = isinstance(arg, str) and arg in segments
        require(known, "unknown segment")
        require(is_list_segment(segments[arg]), "not a list segment")
    if name == "$all" and isinstance(arg, list):
        for item in arg:
            count_value(item, depth + 1, segments)


def is_list_segment(segment: Json) -> bool:
    return "values" in segment or "hashes" in segment


def problem_of(experiment: Any, manifest: Json) -> str | None:
    """Why this experiment is invalid, or None."""
    try:
        check_experiment(experiment, manifest)
    except (Broken, KeyError, TypeError, AttributeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def experiments_by_key(manifest: Json) -> dict[str, Json]:
    found: Sequence[Any] = manifest.get("experiments", [])
    return {one["key"]: one for one in found if isinstance(one, dict) and "key" in one}
