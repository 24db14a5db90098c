"""The number of the newest change, by which processes see what others have written."""

from sqlalchemy import Connection, select

from fairlot.store.profiles.tables import accounts, profile_schema, profiles


def next_change(connection: Connection) -> int:
    """The number of a transaction that writes, higher than all before."""
    number: int = connection.execute(
        profile_schema.update()
        .values(change_no=profile_schema.c.change_no + 1)
        .returning(profile_schema.c.change_no)
    ).scalar_one()
    return number


def newest_change(connection: Connection) -> int:
    number: int = connection.execute(select(profile_schema.c.change_no)).scalar_one()
    return number


def profiles_changed_since(connection: Connection, change_no: int) -> dict[str, int]:
    """The ids of profiles that were written after that change, deleted ones too, with the number
    of their latest change."""
    columns = (profiles.c.id, profiles.c.change_no)
    rows = connection.execute(select(*columns).where(profiles.c.change_no > change_no))
    return {row.id: row.change_no for row in rows}


def accounts_changed_since(connection: Connection, change_no: int) -> dict[tuple[str, bytes], int]:
    """By project id and digest, with the number of their latest change."""
    columns = (accounts.c.project_id, accounts.c.digest, accounts.c.change_no)
    rows = connection.execute(select(*columns).where(accounts.c.change_no > change_no))
    return {(row.project_id, row.digest): row.change_no for row in rows}
