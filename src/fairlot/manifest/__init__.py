"""Manifests as they travel (signed JSON) and as people write them (YAML).

What people write is read by `fairlot.manifest.documents`, which clients do not load. The
signing side loads joserfc at its first use.
"""

from fairlot.manifest.errors import (
    InvalidKey,
    InvalidManifest,
    InvalidPreview,
    ManifestRefused,
    PreviewRefusal,
    PreviewRefused,
    RefusalReason,
    UnreadableExperiment,
    UnsupportedSchema,
)
from fairlot.manifest.jws import DocumentType
from fairlot.manifest.keys import SigningKey, jwks_json
from fairlot.manifest.previews import PreviewClaims, sign_preview, verify_preview
from fairlot.manifest.signing import sign_manifest, signer_of, verify_manifest
from fairlot.manifest.wire_reader import experiment_from_json, manifest_from_json
from fairlot.manifest.wire_writer import experiment_to_json, manifest_to_json

__all__ = [
    "DocumentType",
    "InvalidKey",
    "InvalidManifest",
    "InvalidPreview",
    "ManifestRefused",
    "PreviewClaims",
    "PreviewRefusal",
    "PreviewRefused",
    "RefusalReason",
    "SigningKey",
    "UnreadableExperiment",
    "UnsupportedSchema",
    "experiment_from_json",
    "experiment_to_json",
    "jwks_json",
    "manifest_from_json",
    "manifest_to_json",
    "sign_manifest",
    "sign_preview",
    "signer_of",
    "verify_manifest",
    "verify_preview",
]
