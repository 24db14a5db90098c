"""Run every vector of conformance/ through the reference; exit 1 on any disagreement."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reference.conditions import Scope, rule_holds
from reference.decisions import decide
from reference.figures import figures_of, prints_as
from reference.hashing import bucket_of, hash_of, index_in_split, murmur3, utf8
from reference.pages import query_holds, url_matches
from reference.patterns import regex_finds
from reference.previews import RefusedToken, claims_of, link_of
from reference.sticky import (
    cookie_expire,
    cookie_read,
    cookie_write,
    header_read,
    header_write,
    subject_read,
    subject_write,
)

ROOT = Path(__file__).resolve().parent.parent / "conformance"
Case = Mapping[str, Any]


def run_murmur3(case: Case) -> bool:
    return bool(murmur3(utf8(case["text"])) == case["hash"])


def run_hash(case: Case) -> bool:
    parts = (case["salt"], case["purpose"], case["unitId"])
    return bool((hash_of(*parts), bucket_of(*parts)) == (case["hash"], case["bucket"]))


def run_split(case: Case) -> bool:
    weights = case.get("weights")
    n = case["n"] if weights is None else len(weights)
    return bool(index_in_split(weights, n, case["bucket"]) == case["expected"])


def run_rate(case: Case) -> bool:
    return bool((case["bucket"] < case["rateBp"]) == case["expected"])


def run_condition(case: Case) -> bool:
    segments = {one["key"]: one for one in case.get("segments", [])}
    scope = Scope(case.get("attributes", {}), case.get("account", {}), segments)
    return bool(rule_holds(case["rule"], scope) == case["expected"])


def run_regex(case: Case) -> bool:
    try:
        found = regex_finds(case["pattern"], case.get("value", ""), case.get("ignoreCase", False))
    except ValueError:
        return bool(case.get("rejected"))
    return not case.get("rejected") and found is bool(case["expected"])


def run_url(case: Case) -> bool:
    return bool(url_matches(case["patterns"], case["url"]) == case["expected"])


def run_query(case: Case) -> bool:
    holds = query_holds(case["conditions"], case.get("url"), case.get("search"))
    return bool(holds == case["expected"])


def run_decide(case: Case) -> bool:
    context = case.get("context", {})
    given = decide(case["manifest"], case["experiment"], case["subject"], context)
    return bool(given == case["expected"])


def run_invalid(case: Case) -> bool:
    sibling = decide(case["manifest"], case["sibling"], "someone", {})
    if sibling["reason"] != "bucket":
        return False
    broken = case["experiment"]
    given = None if broken is None else decide(case["manifest"], broken, "someone", {})
    return given is None or given == {
        "variant": None,
        "reason": "invalid",
        "store": False,
    }


def run_cookie_read(case: Case) -> bool:
    given = cookie_read(case["cookies"], case["experiment"], case.get("prefix", "fx."))
    return bool(given == case["expected"])


def run_cookie_write(case: Case) -> bool:
    try:
        given = cookie_write(case.get("cookies", []), case["writes"], case.get("options", {}))
    except ValueError:
        return bool(case.get("refused"))
    return not case.get("refused") and bool(given == case["expected"])


def run_cookie_expire(case: Case) -> bool:
    subject_cookie = case.get("subjectCookie", "fx_sid")
    options = case.get("options", {})
    given = cookie_expire(case["cookies"], case["known"], subject_cookie, options)
    return bool(given == case["expected"])


def run_header_read(case: Case) -> bool:
    return bool(header_read(case["headers"], case["experiment"]) == case["expected"])


def run_header_write(case: Case) -> bool:
    return bool(header_write(case["headers"], case["writes"]) == case["expected"])


def run_subject_read(case: Case) -> bool:
    given = subject_read(case["cookies"], case.get("cookie", "fx_sid"))
    return bool(given == case["expected"])


def run_subject_write(case: Case) -> bool:
    cookie = case.get("cookie", "fx_sid")
    given = subject_write(case["subject"], cookie, case.get("options", {}))
    return bool(given == case["expected"])


def run_preview_link(case: Case) -> bool:
    return bool(link_of(case["url"]) == case["expected"])


def run_preview_token(case: Case) -> bool:
    try:
        claims = claims_of(case)
    except RefusedToken as refused:
        return bool(refused.args[0] == case.get("reason"))
    return bool(claims == case.get("claims"))


def run_statistic(case: Case) -> bool:
    found = figures_of(case["method"], case["given"])
    return all(prints_as(found[name], figure) for name, figure in case["expected"].items())


RUN: dict[str, Callable[[Case], bool]] = {
    "murmur3": run_murmur3,
    "hash": run_hash,
    "split": run_split,
    "rate": run_rate,
    "condition": run_condition,
    "regex": run_regex,
    "url": run_url,
    "query": run_query,
    "decide": run_decide,
    "invalid": run_invalid,
    "cookie_read": run_cookie_read,
    "cookie_write": run_cookie_write,
    "cookie_expire": run_cookie_expire,
    "header_read": run_header_read,
    "header_write": run_header_write,
    "subject_read": run_subject_read,
    "subject_write": run_subject_write,
    "preview_link": run_preview_link,
    "preview_token": run_preview_token,
    "statistic": run_statistic,
}


def complete(case: Case, document: Case) -> Case:
    """A case with what its file shares beneath its own: the members of a manifest, or any."""
    manifest = document.get("manifest")
    if manifest is not None:
        case = {**case, "manifest": {**manifest, **case["manifest"]}}
    return {**document.get("shared", {}), **case}


def disagreements() -> tuple[int, list[str]]:
    total, wrong = 0, []
    for path in sorted(ROOT.glob("*/*__*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            total += 1
            if not RUN[document["kind"]](complete(case, document)):
                wrong.append(f"{path.relative_to(ROOT)}: {case['name']}")
    return total, wrong


def main() -> int:
    total, wrong = disagreements()
    for line in wrong:
        print(f"DISAGREES {line}")
    print(f"{total - len(wrong)} of {total} vectors agree with the reference evaluator")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
