"""Hearing from PostgreSQL that what is served has changed."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from fairlot.logs import get_logger
from fairlot.sdk.backoff import Backoff
from fairlot.store.postgres_connection import place_of
from fairlot.store.tenants import GENERATION_CHANNEL

_ANSWER_WITHIN_S = 10.0
_LONGEST_PAUSE_S = 15.0
_log = get_logger()


async def listen(parameters: Mapping[str, Any], changed: Callable[[], None]) -> None:
    """Until cancelled, over a connection of its own, which is made again when it breaks.

    `changed` is also called after every connect: what happened before was not heard.
    """
    backoff = Backoff(cap_s=_LONGEST_PAUSE_S)
    failing = False
    while True:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                connection = await _subscribed(parameters)
            async with connection:
                if failing:
                    _log.info("store.listening_again", place=place_of(parameters))
                failing = False
                backoff.succeeded()
                changed()
                async for _ in connection.notifies():
                    changed()
        except (psycopg.Error, OSError) as error:
            if not failing:
                problem = str(error).partition("\n")[0]
                _log.warning("store.listening_failed", place=place_of(parameters), problem=problem)
            failing = True
        await asyncio.sleep(backoff.failed())


async def _subscribed(parameters: Mapping[str, Any]) -> psycopg.AsyncConnection[Any]:
    connection = await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
    try:
        await connection.execute(f"LISTEN {GENERATION_CHANNEL}")
    except BaseException:
        await connection.close()
        raise
    return connection
