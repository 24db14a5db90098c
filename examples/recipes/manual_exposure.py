"""Decide when the page is rendered, record when the visitor has really met the experiment."""

from fairlot import Client
from fairlot.testing import experiment_of, manifest_of

# In your application `client.init()` fetches the manifest; here one is made on the spot.
# The experiment's file says `manualExposure: true`.
client = Client(
    "http://127.0.0.1:8080/v1/main/manifest.json",
    record_exposure=lambda event: print(f"  recorded: {event.subject_id}, {event.variant_key}"),
)
client.set_manifest(
    manifest_of([experiment_of("checkout-flow", ["one-page", "steps"], manual_exposure=True)])
)

for visitor in ("anna", "emil"):
    result = client.exposure("checkout-flow", visitor)
    print(f"{visitor} sees the cart; the checkout will be {result.variant_key}")

print("anna goes to the checkout")
client.expose("checkout-flow", "anna")

print("carla comes from a bookmark; nothing was decided for her, so nothing is recorded")
client.expose("checkout-flow", "carla")
print(f"expose without a decision: {client.stats().expose_without_decision}")
client.close()
