"""The conformance vectors of preview links and tokens against the manifest package."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fairlot.manifest.errors import PreviewRefusal, PreviewRefused
from fairlot.manifest.previews import PreviewClaims, read_link, verify_preview

from .loader import all_vectors, disagreements, file_params, kinds_in

AREA = "preview"
FILES = file_params(AREA)
Case = Mapping[str, Any]


def verified(case: Case) -> PreviewClaims:
    return verify_preview(
        case["token"],
        case["jwks"],
        org=case["org"],
        project=case["project"],
        experiment_key=case["experiment"],
        variant_key=case["variant"],
        now_s=case["now"],
        revoked=case["revoked"],
    )


def check_token(case: Case) -> None:
    if "reason" in case:
        with pytest.raises(PreviewRefused) as refused:
            verified(case)
        assert refused.value.reason.value == case["reason"]
        return
    claims, said = verified(case), case["claims"]
    assert (claims.org, claims.project) == (said["iss"], said["aud"])
    assert (claims.subject, claims.jti) == (said["sub"], said["jti"])
    assert (claims.issued_at_s, claims.expires_at_s) == (said["iat"], said["exp"])


def check_link(case: Case) -> None:
    link = read_link(case["url"])
    given = link and {
        "experiment": link.experiment_key,
        "variant": link.variant_key,
        "token": link.token,
    }
    assert given == case["expected"]


CHECKS: dict[str, Callable[[Case], None]] = {
    "preview_token": check_token,
    "preview_link": check_link,
}


@pytest.mark.parametrize("entry", FILES)
def test_previews__file_of_vectors__agrees(entry: Mapping[str, Any]) -> None:
    assert disagreements(entry, CHECKS) == {}


def test_previews__kinds_of_vectors__have_a_check_each() -> None:
    assert kinds_in(AREA) == set(CHECKS)


def test_refusals__of_the_vectors__all_of_ours() -> None:
    said = {vector.case["reason"] for vector in all_vectors() if "reason" in vector.case}
    assert said == {reason.value for reason in PreviewRefusal}
