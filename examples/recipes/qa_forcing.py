"""Testers choose their variant by a header; everybody else is drawn."""

from fairlot import Client, RequestContext
from fairlot.sdk.options import AdapterRequest
from fairlot.testing import manifest_of


def variant_of_tester(request: AdapterRequest) -> str | None:
    """The variant that is named; None, or one that the experiment does not have, falls through."""
    if request.context is None or request.context.header("x-acme-role") != "qa":
        return None
    return request.context.header("x-acme-variant") or "control"


# In your application `client.init()` fetches the manifest; here one is made on the spot.
client = Client("http://127.0.0.1:8080/v1/main/manifest.json", decision_adapter=variant_of_tester)
client.set_manifest(manifest_of({"homepage-cta": ["control", "bold"]}))

VISITORS = {
    "a visitor": {},
    "a tester": {"x-acme-role": "qa"},
    "a tester who asks for bold": {"x-acme-role": "qa", "x-acme-variant": "bold"},
    "a tester with a typing error": {"x-acme-role": "qa", "x-acme-variant": "blod"},
}
for name, headers in VISITORS.items():
    result = client.treatment("homepage-cta", "visitor-3", RequestContext(headers=headers))
    print(f"{name}: variant {result.variant_key}, reason {result.reason}")
client.close()
