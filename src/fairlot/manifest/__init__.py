"""Manifests as they travel (signed JSON) and as people write them (YAML).

The YAML side loads PyYAML at its first use, the signing side joserfc: a client that only decides
needs neither at import.
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
from fairlot.manifest.experiment_files import read_directory, read_experiments
from fairlot.manifest.jws import DocumentType
from fairlot.manifest.keys import SigningKey, jwks_json
from fairlot.manifest.previews import PreviewClaims, sign_preview, verify_preview
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.signing import sign_manifest, signer_of, verify_manifest
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.manifest.wire_reader import experiment_from_json, manifest_from_json
from fairlot.manifest.wire_writer import experiment_to_json, manifest_to_json

__all__ = [
    "DocumentType",
    "ExperimentSpec",
    "InvalidKey",
    "InvalidManifest",
    "InvalidPreview",
    "ManifestRefused",
    "PreviewClaims",
    "PreviewRefusal",
    "PreviewRefused",
    "RefusalReason",
    "SigningKey",
    "SpecProblem",
    "TargetStatus",
    "UnreadableExperiment",
    "UnsupportedSchema",
    "experiment_from_json",
    "experiment_to_json",
    "jwks_json",
    "manifest_from_json",
    "manifest_to_json",
    "read_directory",
    "read_experiments",
    "sign_manifest",
    "sign_preview",
    "signer_of",
    "verify_manifest",
    "verify_preview",
]
