"""What SQL engines write differently: instants, JSON, hashes. Ibis knows the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final

from fairlot.warehouse.queries.errors import UnknownDialect

Names = Sequence[str]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`ibis` is the name that Ibis has for it. The functions take SQL and give SQL.

    `millis`: an instant as milliseconds since the epoch; `instant`: the literal of such a number.
    `hashed`: any hash of a text into 63 or 64 bits. `raw`: the JSON of what stands under nested
    names in a JSON object, null without it; `text`: the same of a string as it reads, and in the
    order of code points. `materialized` says of a step that it is computed once, where an engine
    would else merge it into the step that reads it, and compute it for each row of that. `settings`
    ends a whole query.
    """

    ibis: str
    quote: str
    string: Callable[[str], str]
    millis: Callable[[str], str]
    instant: Callable[[int], str]
    hashed: Callable[[str], str]
    raw: Callable[[str, Names], str]
    text: Callable[[str, Names], str]
    materialized: str = ""
    settings: str = ""

    def quoted(self, name: str) -> str:
        """As an identifier. None is given to engines that comes from anybody else's text: some
        cut long ones short, and hold those alike that differ only in capitals."""
        doubled = name.replace(self.quote, 2 * self.quote)
        return f"{self.quote}{doubled}{self.quote}"


def dialect_named(name: str) -> Dialect:
    """Raises UnknownDialect."""
    found = DIALECTS.get(name)
    if found is None:
        raise UnknownDialect(name, DIALECTS)
    return found


def _doubled(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _utc(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")


def _timestamp(ms: int) -> str:
    return f"TIMESTAMP '{_utc(ms)}'"


def _zoned(ms: int) -> str:
    return f"TIMESTAMPTZ '{_utc(ms)}'"


def _dotted(names: Names) -> str:
    """`$."a"."b"`: quoted, so that no name is taken for more than a name."""
    return "$" + "".join(
        '."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names
    )


def _bracketed(names: Names) -> str:
    """Spark knows either quote and no escape: a name with both it refuses to read."""
    quotes = ("'" if '"' in name else '"' for name in names)
    return "$" + "".join(f"[{q}{name}{q}]" for q, name in zip(quotes, names, strict=True))


def _arrows(column: str, names: Names, last: str) -> str:
    *outer, inner = map(_doubled, names)
    steps = "".join(f" -> {name}" for name in outer)
    return f"CAST({column} AS jsonb){steps} {last} {inner}"


def _got(column: str, names: Names) -> str:
    parsed = f"TRY_PARSE_JSON({column})"
    return reduce(lambda inner, name: f"GET({inner}, {_escaped(name)})", names, parsed)


def _variant(column: str, names: Names, kind: str) -> str:
    return f"variant_get(try_parse_json({column}), {_escaped(_bracketed(names))}, '{kind}')"


def _listed(names: Names) -> str:
    return ", ".join(map(_escaped, names))


_SPARK: Final = Dialect(
    ibis="databricks",
    quote="`",
    string=_escaped,
    millis=lambda at: f"unix_millis({at})",
    instant=_timestamp,
    hashed=lambda text: f"xxhash64({text})",
    raw=lambda json, at: f"to_json({_variant(json, at, 'variant')})",
    text=lambda json, at: _variant(json, at, "string"),
)
DIALECTS: Final[Mapping[str, Dialect]] = {
    "duckdb": Dialect(
        ibis="duckdb",
        quote='"',
        string=_doubled,
        millis=lambda at: f"epoch_ms({at})",
        instant=_zoned,
        hashed=lambda text: f"CAST(hash({text}) >> 1 AS BIGINT)",
        raw=lambda json, at: f"CAST(json_extract({json}, {_doubled(_dotted(at))}) AS VARCHAR)",
        text=lambda json, at: f"json_extract_string({json}, {_doubled(_dotted(at))})",
    ),
    "postgres": Dialect(
        ibis="postgres",
        quote='"',
        string=_doubled,
        millis=lambda at: f"CAST(FLOOR(EXTRACT(EPOCH FROM {at}) * 1000) AS BIGINT)",
        instant=_zoned,
        hashed=lambda text: f"hashtextextended({text}, 0)",
        raw=lambda json, at: f"CAST({_arrows(json, at, '->')} AS TEXT)",
        text=lambda json, at: f'({_arrows(json, at, "->>")}) COLLATE "C"',
        materialized="MATERIALIZED ",
    ),
    "spark": _SPARK,
    "databricks": _SPARK,
    "bigquery": Dialect(
        ibis="bigquery",
        quote="`",
        string=_escaped,
        millis=lambda at: f"UNIX_MILLIS({at})",
        instant=_timestamp,
        hashed=lambda text: f"FARM_FINGERPRINT({text})",
        raw=lambda json, at: f"JSON_QUERY({json}, {_escaped(_dotted(at))})",
        text=lambda json, at: f"JSON_VALUE({json}, {_escaped(_dotted(at))})",
    ),
    "snowflake": Dialect(
        ibis="snowflake",
        quote='"',
        string=_escaped,
        millis=lambda at: f"DATE_PART(EPOCH_MILLISECOND, {at})",
        instant=lambda ms: f"CAST('{_utc(ms)}' AS TIMESTAMP_TZ)",
        hashed=lambda text: f"HASH({text})",
        raw=lambda json, at: f"TO_JSON({_got(json, at)})",
        text=lambda json, at: f"CAST({_got(json, at)} AS VARCHAR)",
    ),
    "clickhouse": Dialect(
        ibis="clickhouse",
        quote='"',
        string=_escaped,
        millis=lambda at: f"toUnixTimestamp64Milli({at})",
        instant=lambda ms: f"fromUnixTimestamp64Milli({ms})",
        hashed=lambda text: f"reinterpretAsInt64(cityHash64({text}))",
        raw=lambda json, at: f"nullIf(JSONExtractRaw(ifNull({json}, ''), {_listed(at)}), '')",
        text=lambda json, at: f"JSONExtractString(ifNull({json}, ''), {_listed(at)})",
        # else a join that finds nothing gives an empty text and 0
        settings="\nSETTINGS join_use_nulls = 1",
    ),
}
