"""A client that never fetches, and notes what of its life it is asked for."""

from fairlot import Client, CookieStorage
from fairlot.engine import Experiment, Manifest, Variant

NOBODY_LISTENS = "http://127.0.0.1:9/v1/default/manifest.json"
EVERYBODY_BOLD = Experiment(
    key="hero",
    salt="hero",
    id="exp_hero",
    name="Hero",
    variants=(
        Variant("plain", "var_plain", weight=0),
        Variant("bold", "var_bold", weight=10_000, payload={"title": "<Bold>"}),
    ),
)
MANIFEST = Manifest("default", "default", 1, "2026-11-24T00:00:00.000Z", (EVERYBODY_BOLD,), None)


class SpyClient(Client):
    def __init__(self, *, has_manifest: bool = False, has_subject_cookie: str = "fx_sid") -> None:
        self.asked: list[str] = []
        self.exposed: list[str] = []
        super().__init__(
            NOBODY_LISTENS,
            storage=CookieStorage(secure=False),
            subject_cookie=has_subject_cookie,
            record_exposure=lambda exposure: self.exposed.append(exposure.subject_id),
        )
        if has_manifest:
            self.set_manifest(MANIFEST)

    def init(self) -> bool:
        self.asked.append("init")
        return False

    async def ainit(self) -> bool:
        self.asked.append("ainit")
        return False

    async def aflush(self, within_s: float = 5.0) -> bool:
        self.asked.append("aflush")
        return True

    def flush(self, within_s: float = 5.0) -> bool:
        self.asked.append(f"flush {within_s}")
        return True
