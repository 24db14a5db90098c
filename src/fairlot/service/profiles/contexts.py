"""What is known of a subject, put into the context of a request."""

from collections.abc import Mapping

import msgspec

from fairlot.engine import Context, History
from fairlot.profiles import Profile
from fairlot.profiles.sessions import visitor_status
from fairlot.service.profiles.work import Profiles


async def known_context(
    profiles: Profiles,
    project_id: str,
    profile: Profile | None,
    context: Context,
    history_wanted: Mapping[str, int],
) -> Context:
    """What the request says wins over what is known. `history_wanted` are the events that may be
    asked about, by name, each with how far back in ms; an unknown subject has done nothing. What
    has been activated for a subject and is not over goes in too."""
    if profile is None:
        return msgspec.structs.replace(context, visitor_status=visitor_status(None), history={})
    history: History = {}
    if history_wanted:
        history = await profiles.history(profile, history_wanted, context.now_ms)
    account_id = context.account_id or profile.account_id
    account = context.account
    if account_id is not None:
        account = {**await profiles.account(project_id, account_id), **account}
    return msgspec.structs.replace(
        context,
        attributes={**profile.attributes, **context.attributes},
        account_id=account_id,
        account=account,
        visitor_status=context.visitor_status or visitor_status(profile),
        history=history,
        activations={
            each.experiment_key: each.variant_key
            for each in profile.activations.values()
            if each.is_active(context.now_ms)
        },
    )
