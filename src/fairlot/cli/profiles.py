"""`fairlot profiles`: what is known of subjects."""

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.profile_deletion import delete


@click.group(cls=SuggestingGroup)
def profiles() -> None:
    """Profiles: what is known of subjects."""


profiles.add_command(delete)
