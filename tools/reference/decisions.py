"""The order of a decision, step by step as the table of the specification lists it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reference.conditions import Scope, is_member, read_path, rule_holds
from reference.hashing import bucket_of, index_in_split
from reference.pages import query_holds, url_matches
from reference.validity import experiments_by_key, problem_of

Json = Mapping[str, Any]
Answer = dict[str, Any]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def answer(reason: str, variant: str | None = None, store: bool = False) -> Answer:
    return {"variant": variant, "reason": reason, "store": store}


def decide(manifest: Json, key: str, subject: str, context: Json) -> Answer:
    experiment = experiments_by_key(manifest).get(key)
    if experiment is None:
        return answer("unknown")
    if problem_of(experiment, manifest) is not None:
        return answer("invalid")
    if experiment.get("serverOnly"):
        return answer("server_only")
    previewed = context.get("preview", {}).get(key)
    if previewed in variant_keys(experiment):
        return answer("preview", previewed)
    if context.get("excluded"):
        return answer("excluded")
    state = state_reason(experiment, context.get("now", 0))
    if state is not None:
        return answer(state)
    if not page_holds(experiment.get("audience", {}), context):
        return answer("audience")
    unit = subject
    if experiment.get("unit") == "account":
        unit = context.get("accountId") or ""
        if not unit:
            return answer("no_unit")
    if "activation" in experiment:
        return decide_activated(manifest, experiment, subject, context)
    return decide_for_unit(manifest, experiment, subject, unit, context)


def decide_activated(manifest: Json, experiment: Json, subject: str, context: Json) -> Answer:
    """C7: what an event activated, as long as the audience holds."""
    active = context.get("activations", {})
    if not person_holds(manifest, experiment.get("audience", {}), subject, context):
        return answer("audience")
    if experiment["key"] not in active:
        return answer("audience")
    diverted = experiment.get("rollout" if experiment["status"] == "completed" else "divertTo")
    if diverted is not None:
        return answer("divert", diverted)
    variant = active[experiment["key"]]
    return answer("sticky", variant) if has(experiment, variant) else answer("audience")


def decide_for_unit(
    manifest: Json, experiment: Json, subject: str, unit: str, context: Json
) -> Answer:
    project, completed = (
        manifest.get("project", "default"),
        experiment["status"] == "completed",
    )
    holdout = manifest.get("holdout")
    if holdout is not None:
        salt = holdout.get("salt", f"holdout.{project}")
        if bucket_of(salt, "holdout", unit) < holdout["rateBp"]:
            return answer("holdout")
    if "layer" in experiment and not completed and not in_layer(manifest, experiment, unit):
        return answer("layer")
    person = person_holds(manifest, experiment.get("audience", {}), subject, context)
    diverted = experiment.get("rollout" if completed else "divertTo")
    if diverted is not None and person:
        return answer("divert", diverted)
    remembered = context.get("sticky", {}).get(experiment["key"])
    if not person and (experiment.get("recheckAudience") or not has(experiment, remembered)):
        return answer("audience")
    if has(experiment, remembered):
        return gated(experiment, unit, answer("sticky", remembered))
    return gated(experiment, unit, draw(experiment, unit, context))


def draw(experiment: Json, unit: str, context: Json) -> Answer:
    salt = experiment.get("salt", experiment["key"])
    rate = experiment.get("audience", {}).get("sampleRateBp", 10000)
    if bucket_of(salt, "sample", unit) >= rate:
        return answer("sample")
    adapter = context.get("adapter", {})
    if has(experiment, adapter.get("answers")):
        randomised = bool(experiment.get("adapterIsRandomised"))
        return answer("adapter", adapter["answers"], store=randomised)
    variants = experiment["variants"]
    weights = [one["weight"] for one in variants] if "weight" in variants[0] else None
    index = index_in_split(weights, len(variants), bucket_of(salt, "variant", unit))
    return answer("bucket", variants[index]["key"], store=True)


def gated(experiment: Json, unit: str, given: Answer) -> Answer:
    """Step 14: the recipe rate of the variant that was given."""
    for variant in experiment["variants"]:
        if variant["key"] == given["variant"]:
            salt = experiment.get("salt", experiment["key"])
            bucket = bucket_of(salt, f"recipe.{variant['key']}", unit)
            if bucket >= variant.get("recipeSampleRateBp", 10000):
                return answer("recipe")
    return given


def variant_keys(experiment: Json) -> list[str]:
    return [variant["key"] for variant in experiment["variants"]]


def has(experiment: Json, variant: str | None) -> bool:
    return variant in variant_keys(experiment)


def state_reason(experiment: Json, now_ms: int) -> str | None:
    schedule, status = experiment.get("schedule", {}), experiment["status"]
    if status == "completed" and "rollout" in experiment:
        return None
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)
    if "start" in schedule and now < datetime.fromisoformat(schedule["start"]):
        return "scheduled"
    ended = "end" in schedule and now >= datetime.fromisoformat(schedule["end"])
    if ended or status == "completed":
        return "ended"
    if status == "paused" or not in_hours(schedule.get("hours"), now):
        return "paused"
    return None


def in_hours(hours: Json | None, now: datetime) -> bool:
    if hours is None:
        return True
    clock, first, last = now.strftime("%H:%M"), hours["from"], hours["to"]
    began = now
    if first < last:
        inside = first <= clock < last
    else:
        inside = clock >= first or clock < last
        began = now - timedelta(days=1) if clock < last else now
    return inside and DAYS[began.weekday()] in hours.get("days", DAYS)


def page_holds(audience: Json, context: Json) -> bool:
    url, patterns = context.get("url"), audience.get("urlPatterns", [])
    if patterns and url is not None and not url_matches(patterns, url):
        return False
    if not query_holds(audience.get("queryParams", []), url, context.get("search")):
        return False
    wanted, device = audience.get("device", "all"), context.get("device")
    return wanted == "all" or device in ("all", wanted)


def person_holds(manifest: Json, audience: Json, subject: str, context: Json) -> bool:
    segments = {one["key"]: one for one in manifest.get("segments", [])}
    scope = Scope(context.get("attributes", {}), context.get("account", {}), segments)
    if not rule_holds(audience.get("rule", {}), scope):
        return False
    for name in audience.get("segments", []):
        if not in_segment(segments[name], subject, scope):
            return False
        if not all(done(one, context, scope) for one in segments[name].get("history", [])):
            return False
    wanted = audience.get("visitorStatus", "any")
    return bool(wanted == "any" or context.get("visitorStatus") == wanted)


def in_segment(segment: Json, subject: str, scope: Scope) -> bool:
    if "rule" in segment or "history" in segment:
        return rule_holds(segment.get("rule", {}), scope)
    path = segment.get("attribute")
    return is_member(subject if path is None else read_path(scope, path), segment)


def done(condition: Json, context: Json, scope: Scope) -> bool:
    """C7: one condition of a history."""
    if "history" not in context:
        return False
    now, since = context.get("now", 0), condition.get("withinMs")
    times = 0
    for one in context["history"].get(condition["event"], []):
        recent = since is None or one["at"] > now - since
        properties = Scope(one.get("properties", {}), None, scope.segments)
        if one["at"] <= now and recent and rule_holds(condition.get("where", {}), properties):
            times += 1
    return bool((times >= condition.get("count", 1)) is condition.get("performed", True))


def in_layer(manifest: Json, experiment: Json, unit: str) -> bool:
    layer = experiment["layer"]
    salts = {one["key"]: one.get("salt", f"layer.{one['key']}") for one in manifest["layers"]}
    return bool(layer["start"] <= bucket_of(salts[layer["key"]], "layer", unit) < layer["end"])
