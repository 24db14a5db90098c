"""Rows and batches as they are posted to `/events`; a test says only what it is about."""

from typing import Any

UUID = "019a3f00-0000-7000-8000-000000000001"


def exposure_row(event_id: str = UUID, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "exposure",
        "event_id": event_id,
        "subject_id": "anna",
        "unit_id": "anna",
        "at": 1_700_000_000_000,
        "experiment_id": "exp_hero",
        "experiment_key": "hero",
        "variant_key": "bold",
        "variant_id": "var_bold",
        "manifest_version": 3,
        "hash_version": 1,
        "reason": "bucket",
    } | fields


def conversion_row(event_id: str = UUID, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "conversion",
        "event_id": event_id,
        "subject_id": "anna",
        "at": 1_700_000_000_000,
        "event_name": "order",
    } | fields


def identity_row(event_id: str = UUID, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "identity",
        "event_id": event_id,
        "subject_id": "anna",
        "at": 1_700_000_000_000,
        "user_id": "user-1",
    } | fields


def a_batch(*rows: object, batch_seq: int = 1, **fields: Any) -> dict[str, Any]:
    return {"sender_id": "sender-1", "batch_seq": batch_seq, "events": list(rows)} | fields
