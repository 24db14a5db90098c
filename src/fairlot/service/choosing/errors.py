"""What Choose cannot answer."""

from fairlot.engine.errors import FairlotError


class UnknownUser(FairlotError):
    """A user id that no profile has. It makes none: only source and profile id do."""

    code = "unknown_user"

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        super().__init__(
            f"user {user_id[:64]!r} is not known; identify the user first, or send sourceId and "
            "profileId too"
        )
