"""Rules that watch what subjects do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fairlot.profiles import Happening, History, Profile
from fairlot.service.profiles import Reaction, Reactor


class NoRules:
    """Nothing comes of what happens."""

    def history_wanted(self, project_id: str, happening: Happening) -> Mapping[str, int]:
        return {}

    def react(
        self,
        profile: Profile,
        happening: Happening,
        history: History,
        account: Callable[[], Mapping[str, Any]],
    ) -> Reaction:
        return Reaction(profile)


NO_RULES: Final[Reactor] = NoRules()
