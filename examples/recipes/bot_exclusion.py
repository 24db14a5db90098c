"""Bots, and visitors who did not agree, are in no experiment: nothing is decided or recorded."""

from fairlot import Client, RequestContext, exclude_bots
from fairlot.testing import manifest_of

is_bot = exclude_bots()


def is_excluded(context: RequestContext | None) -> bool:
    """`excluded=exclude_bots()` alone does for bots; this asks for consent as well."""
    return is_bot(context) or (context is not None and context.header("x-consent") == "no")


# In your application `client.init()` fetches the manifest; here one is made on the spot.
client = Client(
    "http://127.0.0.1:8080/v1/main/manifest.json",
    excluded=is_excluded,
    record_exposure=lambda event: print(f"  recorded: {event.subject_id}, {event.variant_key}"),
)
client.set_manifest(manifest_of({"homepage-cta": ["control", "bold"]}))

VISITORS = {
    "a person": {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Firefox/130.0"},
    "a crawler": {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
    "a person who said no": {"user-agent": "Mozilla/5.0 Firefox/130.0", "x-consent": "no"},
}
for name, headers in VISITORS.items():
    result = client.exposure("homepage-cta", name, RequestContext(headers=headers))
    print(f"{name}: variant {result.variant_key}, reason {result.reason}")
client.close()
