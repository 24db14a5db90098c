"""Leaving programs out of experiments."""

import re
from collections.abc import Callable
from typing import Final

from fairlot.sdk.context import RequestContext

# Cubot makes telephones.
_BOT: Final = re.compile(
    r"(?<!cu)bot\b|crawl|spider|slurp|fetcher|preview|monitor|headless|lighthouse|curl/|wget/|python-"
    r"|java/|go-http|okhttp|libwww|httpclient|facebookexternalhit|mediapartners|embedly|pingdom",
    re.IGNORECASE,
)


def names_a_program(user_agent: str) -> bool:
    """Whether a User-Agent is that of a program, as far as it says so itself."""
    return _BOT.search(user_agent) is not None


def exclude_bots(*, without_user_agent: bool = True) -> Callable[[RequestContext | None], bool]:
    """For the option `excluded`: leaves out requests whose User-Agent names a program, and those
    that name none unless `without_user_agent` is False.

    Calls without a context, or with one that has no headers, are not excluded: nothing is known.
    """

    def is_bot(context: RequestContext | None) -> bool:
        if context is None or context.headers is None:
            return False
        agent = context.header("user-agent")
        return names_a_program(agent) if agent else without_user_agent

    return is_bot
