"""What is written as documents: what all nouns of them have in common."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import Connection

from fairlot.http.management import Call, Outcome
from fairlot.http.management.preconditions import etag_of
from fairlot.service.missing import not_there
from fairlot.service.project_state import Name
from fairlot.store.definitions import DefinitionRow
from fairlot.store.experiments import ExperimentRow
from fairlot.store.tenants import ProjectRow

Row = TypeVar("Row", bound=ExperimentRow | DefinitionRow)
_KEY: Final = re.compile(r"[a-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Noun(Generic[Row]):
    """`find` gives what is there and not deleted, `describe` its document."""

    kind: str
    plural: str
    find: Callable[[Connection, ProjectRow, str], Row | None]
    describe: Callable[[Row], msgspec.Struct]
    document: type[msgspec.Struct]

    @property
    def one(self) -> str:
        """With its article."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    @property
    def list_path(self) -> str:
        return f"/api/v1/orgs/{{org}}/projects/{{project}}/{self.plural}"

    @property
    def path(self) -> str:
        return f"{self.list_path}/{{key}}"


def key_in(call: Call[Any]) -> str:
    """No database has to look for what no key is."""
    key = call.path["key"]
    return key if _KEY.fullmatch(key) else ""


def name_in(noun: Noun[Row], call: Call[Any]) -> Name:
    return noun.kind, key_in(call)


def there(noun: Noun[Row], call: Call[Any]) -> Row:
    """What the path names. Raises NotThere."""
    found = noun.find(call.connection, call.tenant, key_in(call))
    if found is None:
        raise not_there(call.connection, call.tenant, noun.kind, call.path["key"])
    return found


def check(noun: Noun[Row], call: Call[Any], row: Row) -> None:
    """For a change that may go without `If-Match`."""
    call.precondition.check(row.revision, lambda: noun.describe(row))


def answer(noun: Noun[Row], row: Row, status: int = 200) -> Outcome:
    return Outcome(noun.describe(row), status, etag_of(row.revision))
