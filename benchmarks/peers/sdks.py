"""The same experiment in four published server SDKs, offline: 1,000 flags, an even split of two
string variants, and where it is asked for a rule of two clauses before it.

Each is asked through its public call, with what it wants to know of a subject made beforehand.
"""

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

EXPERIMENTS = 1_000
KEY = "exp-500"
VARIANTS = ("control", "treatment")
ATTRIBUTES = {"tier": "pro", "country": "CA"}

Ask = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Peer:
    """`ask` gets one of `made_of(subjects)`."""

    name: str
    ask: Ask
    made_of: Callable[[Sequence[str]], list[Any]]
    close: Callable[[], object] = lambda: None


def eppo(*, with_rule: bool) -> Peer:
    package: Any = importlib.import_module("eppo_client")
    flags = {f"exp-{number}": _eppo_flag(f"exp-{number}", with_rule) for number in _numbers()}
    configuration = {
        "createdAt": "2026-01-01T00:00:00Z",
        "format": "SERVER",
        "environment": {"name": "bench"},
        "flags": flags,
    }
    client = package.init(
        package.ClientConfig(
            api_key="bench",
            base_url="http://127.0.0.1:1",
            assignment_logger=package.AssignmentLogger(),
            initial_configuration=package.Configuration(
                flags_configuration=json.dumps(configuration).encode()
            ),
            poll_interval_seconds=None,
        )
    )
    assignment: Callable[[str, str, dict[str, str], str], str] = client.get_string_assignment
    attributes = ATTRIBUTES if with_rule else {}
    return Peer("eppo-server-sdk", lambda subject: assignment(KEY, subject, attributes, ""), list)


def _eppo_flag(key: str, with_rule: bool) -> dict[str, Any]:
    conditions = [
        {"attribute": "tier", "operator": "ONE_OF", "value": ["pro"]},
        {"attribute": "country", "operator": "ONE_OF", "value": ["US", "CA"]},
    ]
    splits = [
        {
            "variationKey": variant,
            "shards": [
                {"salt": key, "ranges": [{"start": 5000 * index, "end": 5000 * index + 5000}]}
            ],
        }
        for index, variant in enumerate(VARIANTS)
    ]
    allocation: dict[str, Any] = {"key": "main", "splits": splits, "doLog": False}
    if with_rule:
        allocation["rules"] = [{"conditions": conditions}]
    return {
        "key": key,
        "enabled": True,
        "variationType": "STRING",
        "variations": {variant: {"key": variant, "value": variant} for variant in VARIANTS},
        "totalShards": 10_000,
        "allocations": [allocation],
    }


def growthbook(*, with_rule: bool) -> Peer:
    package: Any = importlib.import_module("growthbook")
    condition = {"tier": "pro", "country": {"$in": ["US", "CA"]}}
    features = {
        f"exp-{number}": {
            "defaultValue": None,
            "rules": [
                {
                    "key": f"exp-{number}",
                    "condition": condition if with_rule else {},
                    "variations": list(VARIANTS),
                    "weights": [0.5, 0.5],
                    "coverage": 1.0,
                    "hashAttribute": "id",
                    "hashVersion": 2,
                }
            ],
        }
        for number in _numbers()
    }
    client = package.GrowthBook(attributes={}, features=features)
    known = ATTRIBUTES if with_rule else {}

    def ask(attributes: dict[str, str]) -> str | None:
        client.set_attributes(attributes)
        answer: str | None = client.get_feature_value(KEY, None)
        return answer

    return Peer("growthbook", ask, lambda subjects: [{"id": each, **known} for each in subjects])


def unleash(*, with_rule: bool) -> Peer:
    package: Any = importlib.import_module("UnleashClient")
    constraints = [
        {"contextName": "tier", "operator": "IN", "values": ["pro"]},
        {"contextName": "country", "operator": "IN", "values": ["US", "CA"]},
    ]
    strategy = {
        "name": "flexibleRollout",
        "parameters": {"rollout": "100", "stickiness": "userId", "groupId": KEY},
        "constraints": constraints if with_rule else [],
        "variants": [
            {"name": each, "weight": 500, "stickiness": "userId", "weightType": "fix"}
            for each in VARIANTS
        ],
    }
    features = [
        {"name": f"exp-{number}", "enabled": True, "strategies": [strategy]}
        for number in _numbers()
    ]

    client = package.UnleashClient(
        "http://127.0.0.1:1",
        "bench",
        cache=_unleash_cache(features),
        disable_metrics=True,
        disable_registration=True,
        multiple_instance_mode=package.clients.unleash_client.InstanceAllowType.SILENTLY_ALLOW,
    )
    known = {"properties": ATTRIBUTES} if with_rule else {}

    def ask(context: dict[str, Any]) -> str | None:
        answer: str | None = client.get_variant(KEY, context)["name"]
        return answer

    def made_of(subjects: Sequence[str]) -> list[Any]:
        return [{"userId": subject, **known} for subject in subjects]

    return Peer("UnleashClient", ask, made_of)


def _unleash_cache(features: list[dict[str, Any]]) -> Any:
    """What Unleash reads its features from, filled without a server."""
    caches: Any = importlib.import_module("UnleashClient.cache")

    class Memory(caches.BaseCache):  # type: ignore[misc]
        bootstrapped = True

        def __init__(self) -> None:
            state = json.dumps({"version": 2, "features": features})
            self.entries: dict[str, Any] = {"/client/features": state}

        def set(self, key: str, value: Any) -> None:
            self.entries[key] = value

        def mset(self, data: dict[str, Any]) -> None:
            self.entries.update(data)

        def get(self, key: str, default: Any = None) -> Any:
            return self.entries.get(key, default)

        def exists(self, key: str) -> bool:
            return key in self.entries

        def destroy(self) -> None:
            self.entries.clear()

    return Memory()


def launchdarkly(*, with_rule: bool) -> Peer:
    package: Any = importlib.import_module("ldclient")
    configs: Any = importlib.import_module("ldclient.config")
    stores: Any = importlib.import_module("ldclient.feature_store")
    kinds: Any = importlib.import_module("ldclient.versioned_data_kind")
    store = stores.InMemoryFeatureStore()
    flags = {
        f"exp-{number}": _launchdarkly_flag(f"exp-{number}", with_rule) for number in _numbers()
    }
    store.init({kinds.FEATURES: flags})
    config = configs.Config("bench", feature_store=store, use_ldd=True, send_events=False)
    client = package.LDClient(config)

    def ask(context: Any) -> str | None:
        answer: str | None = client.variation(KEY, context, None)
        return answer

    def context_of(subject: str) -> Any:
        builder = package.Context.builder(subject)
        for name, value in (ATTRIBUTES if with_rule else {}).items():
            builder.set(name, value)
        return builder.build()

    return Peer(
        "launchdarkly-server-sdk",
        ask,
        lambda subjects: [context_of(subject) for subject in subjects],
        client.close,
    )


def _launchdarkly_flag(key: str, with_rule: bool) -> dict[str, Any]:
    rollout = {"variations": [{"variation": index, "weight": 50_000} for index in range(2)]}
    clauses = [
        {"attribute": "tier", "op": "in", "values": ["pro"]},
        {"attribute": "country", "op": "in", "values": ["US", "CA"]},
    ]
    rule = {"id": "main", "clauses": clauses, "rollout": rollout}
    return {
        "key": key,
        "version": 1,
        "on": True,
        "salt": key,
        "variations": list(VARIANTS),
        "offVariation": None,
        "rules": [rule] if with_rule else [],
        "fallthrough": {"variation": 0} if with_rule else {"rollout": rollout},
        "targets": [],
        "prerequisites": [],
    }


def _numbers() -> range:
    return range(EXPERIMENTS)


def peers(*, with_rule: bool) -> list[Peer]:
    makers = (eppo, growthbook, unleash, launchdarkly)
    return [make(with_rule=with_rule) for make in makers]
