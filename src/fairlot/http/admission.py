"""How often somebody may ask: the tier of a key or token, and the policy for client addresses.

All raise Refused (429).
"""

from fairlot.http.addresses import is_loopback, throttle_key
from fairlot.http.asgi import Scope
from fairlot.http.services import Services
from fairlot.http.throttle import TIERS
from fairlot.service.snapshot import ApiKeyRecord


def admit_key(services: Services, key: ApiKeyRecord, tier: str | None) -> None:
    """Each key has the tier for itself; None is the server's default."""
    admit_tier(services, tier, f"key:{key.id}")


def admit_tier(services: Services, tier: str | None, who: str) -> None:
    policy = TIERS.get(tier or services.default_tier)
    if policy is not None:
        services.throttle.admit(policy, who)


def admit_address(services: Services, scope: Scope) -> None:
    """For who holds something that is passed around: a publishable token, a preview link."""
    if services.address_policy is None:
        return
    address = services.addresses.client_of(scope)
    if not is_loopback(address):
        services.throttle.admit(services.address_policy, throttle_key(address))
