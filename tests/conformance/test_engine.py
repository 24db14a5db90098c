"""The conformance vectors of decisions against the engine, through one adapter a kind."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import mmh3
import msgspec
import pytest

from fairlot.engine import (
    AdapterCall,
    Context,
    Device,
    History,
    InvalidExperiment,
    Occurrence,
    Overrides,
    VisitorStatus,
    bucket_of,
    compile_condition,
    compile_manifest,
    compile_regex,
    decide,
    hash32,
    index_of_bucket,
    rate_draw,
    split_ends,
)
from fairlot.manifest import manifest_from_json

from .loader import disagreements, file_params, kinds_in

AREAS = ("hashing", "audience", "decide", "server")
FILES = file_params(*AREAS)
Case = Mapping[str, Any]
ENVELOPE = {
    "schema": "fairlot.manifest/1",
    "org": "default",
    "project": "default",
    "version": 1,
    "publishedAt": "2026-11-23T06:00:00.000Z",
}


def adapter_of(answer: Case) -> Callable[[AdapterCall], str | None]:
    def adapter(call: AdapterCall) -> str | None:
        if answer.get("raises"):
            raise RuntimeError("an adapter that fails")
        given: str | None = answer["answers"]
        return given

    return adapter


def context_of(spelled: Case) -> Context:
    given = {"preview", "excluded", "adapter"} & spelled.keys()
    overrides = Overrides(
        preview=spelled.get("preview", {}),
        excluded=spelled.get("excluded", False),
        adapter=adapter_of(spelled["adapter"]) if "adapter" in spelled else None,
    )
    status = spelled.get("visitorStatus")
    return Context(
        attributes=spelled.get("attributes", {}),
        account_id=spelled.get("accountId"),
        account=spelled.get("account", {}),
        url=spelled.get("url"),
        search=spelled.get("search"),
        device=Device(spelled["device"]) if "device" in spelled else None,
        visitor_status=VisitorStatus(status) if status is not None else None,
        now_ms=spelled.get("now", 0),
        sticky=spelled.get("sticky"),
        overrides=overrides if given else None,
        history=history_of(spelled["history"]) if "history" in spelled else None,
        activations=spelled.get("activations"),
    )


def history_of(spelled: Case) -> History:
    return {
        event: [Occurrence(each["at"], each.get("properties", {})) for each in times]
        for event, times in spelled.items()
    }


def decided(manifest: Case, experiment: str, subject: str, context: Case) -> dict[str, Any]:
    compiled = compile_manifest(manifest_from_json(json.dumps(manifest).encode()))
    plain = context_of(context)
    decision = decide(compiled, experiment, subject, plain)
    full = msgspec.structs.replace(
        plain, sticky=plain.sticky or {}, overrides=plain.overrides or Overrides()
    )
    assert decide(compiled, experiment, subject, full) == decision
    variant = None if decision.variant is None else decision.variant.key
    return {
        "variant": variant,
        "reason": decision.reason.value,
        "store": decision.store,
    }


def in_audience(audience: Case, segments: list[Case], context: Case) -> bool:
    """Whether a manifest with just this audience lets a subject in."""
    variants = [{"key": "a"}, {"key": "b"}]
    experiment = {
        "key": "e",
        "status": "running",
        "hashVersion": 1,
        "variants": variants,
    }
    manifest = {
        **ENVELOPE,
        "segments": segments,
        "experiments": [{**experiment, "audience": audience}],
    }
    reason = decided(manifest, "e", "someone", context)["reason"]
    assert reason in ("bucket", "audience")
    return bool(reason == "bucket")


def check_murmur3(case: Case) -> None:
    # The engine hashes salted texts only; what it is built on is checked here.
    assert mmh3.hash(case["text"].encode("utf-8"), 0, signed=False) == case["hash"]


def check_hash(case: Case) -> None:
    parts = (case["salt"], case["purpose"], case["unitId"])
    assert hash32(*parts) == case["hash"]
    assert bucket_of(*parts) == case["bucket"]


def check_split(case: Case) -> None:
    weights = case.get("weights")
    ends = split_ends(weights, case["n"] if weights is None else len(weights))
    assert index_of_bucket(ends, case["bucket"]) == case["expected"]


def check_rate(case: Case) -> None:
    draw = rate_draw("salt", "sample", case["rateBp"], inside=True, outside=False)
    assert draw.outcomes[index_of_bucket(draw.ends, case["bucket"])] is case["expected"]


def check_condition(case: Case) -> None:
    context = {key: case[key] for key in ("attributes", "account") if key in case}
    segments = case.get("segments", [])
    assert in_audience({"rule": case["rule"]}, segments, context) is case["expected"]
    if not segments and "account." not in json.dumps(case["rule"]):
        assert compile_condition(case["rule"], {})(case["attributes"]) is case["expected"]


def check_regex(case: Case) -> None:
    ignore_case = case.get("ignoreCase", False)
    if case.get("rejected"):
        with pytest.raises(InvalidExperiment):
            compile_regex(case["pattern"], ignore_case=ignore_case)
    else:
        search = compile_regex(case["pattern"], ignore_case=ignore_case)
        assert search(case["value"]) is case["expected"]


def check_url(case: Case) -> None:
    audience = {"urlPatterns": case["patterns"]}
    assert in_audience(audience, [], {"url": case["url"]}) is case["expected"]


def check_query(case: Case) -> None:
    context = {key: case[key] for key in ("url", "search") if key in case}
    assert in_audience({"queryParams": case["conditions"]}, [], context) is case["expected"]


def check_decide(case: Case) -> None:
    context = case.get("context", {})
    given = decided(case["manifest"], case["experiment"], case["subject"], context)
    assert given == case["expected"]


def check_invalid(case: Case) -> None:
    assert decided(case["manifest"], case["sibling"], "someone", {})["reason"] == "bucket"
    if case["experiment"] is not None:
        given = decided(case["manifest"], case["experiment"], "someone", {})
        assert given == {"variant": None, "reason": "invalid", "store": False}


CHECKS: dict[str, Callable[[Case], None]] = {
    "murmur3": check_murmur3,
    "hash": check_hash,
    "split": check_split,
    "rate": check_rate,
    "condition": check_condition,
    "regex": check_regex,
    "url": check_url,
    "query": check_query,
    "decide": check_decide,
    "invalid": check_invalid,
}


@pytest.mark.parametrize("entry", FILES)
def test_engine__file_of_vectors__agrees(entry: Mapping[str, Any]) -> None:
    assert disagreements(entry, CHECKS) == {}


def test_engine__kinds_of_vectors__have_a_check_each() -> None:
    assert kinds_in(*AREAS) == set(CHECKS)
