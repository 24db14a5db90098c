"""Whose ids the units of a project's experiments are."""

from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from fairlot.engine import Unit
from fairlot.manifest.definitions import DocumentKind
from fairlot.service.holdouts import experiment_id_of_holdout
from fairlot.store.definitions import definitions_of
from fairlot.store.experiments import experiments_of


class Units(NamedTuple):
    """Ids of experiments, of deleted ones too: those whose units are subjects, and those whose
    units are accounts or may be. What is recorded for a holdout has the unit of the experiment
    that was asked for, so its unit may be an account once any experiment's is."""

    by_subject: frozenset[str]
    by_account: frozenset[str]


class _Drawn(msgspec.Struct, frozen=True):
    unit: Unit = Unit.SUBJECT


def units_of(connection: Connection, project_id: str) -> Units:
    found = {
        each.id: msgspec.json.decode(each.document, type=_Drawn).unit
        for each in experiments_of(connection, project_id).values()
    }
    by_account = {each for each, unit in found.items() if unit is Unit.ACCOUNT}
    by_subject = frozenset(found.keys() - by_account)
    if by_account:
        by_account |= {
            experiment_id_of_holdout(each.key)
            for each in definitions_of(connection, project_id)
            if each.kind == DocumentKind.HOLDOUT
        }
    return Units(by_subject, frozenset(by_account))
