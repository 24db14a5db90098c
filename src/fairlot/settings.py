"""Every setting of the server and the command line, and the three places they are read from.

`fairlot.toml` is the weakest, `FAIRLOT_*` variables beat it, flags beat both.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args, get_type_hints

from fairlot.engine.errors import FairlotError, shorten

TOML_NAME = "fairlot.toml"
ENV_PREFIX = "FAIRLOT_"
# Variables of the command line itself: they choose what is read, and are no settings.
ENV_NOT_SETTINGS = frozenset(
    {"FAIRLOT_CONFIG", "FAIRLOT_DEBUG", "FAIRLOT_URL", "FAIRLOT_API_KEY", "FAIRLOT_ACTOR"}
)


class InvalidSetting(FairlotError):
    """A setting that cannot be used. `source` is the file, the variable or the flag."""

    code: ClassVar[str] = "invalid_setting"

    def __init__(self, source: str, name: str, value: object, fix: str) -> None:
        self.source = source
        self.field = name
        self.value = value
        self.fix = fix
        super().__init__(f"{source}: {name}: {shorten(value)}: {fix}")


@dataclass(frozen=True, slots=True)
class Doc:
    """What a setting means, and which values it takes (bounds are inclusive)."""

    text: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    data_dir: Annotated[
        Path,
        Doc(
            "The directory that holds the database, the keys and the event log. A relative path "
            "in fairlot.toml starts at that file's directory."
        ),
    ] = Path(".fairlot")
    host: Annotated[
        str,
        Doc("The address to listen on. Only 127.0.0.1 is private to this machine."),
    ] = "127.0.0.1"
    port: Annotated[int, Doc("The TCP port to listen on.", low=1, high=65535)] = 8080
    workers: Annotated[
        int,
        Doc("How many worker processes share the port.", low=1, high=256),
    ] = 1
    durable_impressions: Annotated[
        bool,
        Doc(
            "Answer an assignment only when its impression is on disk: what was acknowledged "
            "survives a killed process, and an answer takes up to some 10 ms longer. When false, "
            "it is usually on disk within 10 ms, which is not guaranteed under a burst of new "
            "subjects, and a killed process may lose the end of its queue."
        ),
    ] = False
    secret: Annotated[
        str | None,
        Doc(
            "Encrypts the signing keys at rest; at least 16 characters. Without it a key is "
            "made in the data directory, in a file that only its owner may read.",
            low=16,
            is_secret=True,
        ),
    ] = field(default=None, repr=False)
    database_url: Annotated[
        str | None,
        Doc(
            "The PostgreSQL database that holds experiments, manifests and keys, as in "
            "postgresql://user:password@host:5432/database?sslmode=verify-full. Without it they "
            "are in a file of the data directory. The event log always stays there.",
            is_secret=True,
        ),
    ] = field(default=None, repr=False)
    warehouse_url: Annotated[
        str | None,
        Doc(
            "The PostgreSQL database whose tables exposures, conversions and identities a result "
            "is made from when it is asked for with the engine postgres, as in "
            "postgresql://reader:password@host:5432/events?options=-csearch_path%3Dmarketing. A "
            "user who may only read is enough.",
            is_secret=True,
        ),
    ] = field(default=None, repr=False)
    log_queue_bound: Annotated[
        int,
        Doc(
            "How many events a worker may hold that are not on disk yet; past it the answer "
            "is 503. An event counts once more for each 256 bytes of its URL and its properties, "
            "so that this bounds the memory: 100,000 are 30 MB where neither is large, else some "
            "130 MB.",
            low=1,
            high=1_000_000,
        ),
    ] = 100_000
    compact_rows: Annotated[
        int,
        Doc(
            "When so many events wait in the files of the workers, they are moved into Parquet.",
            low=1,
            high=10_000_000,
        ),
    ] = 100_000
    compact_after_s: Annotated[
        float,
        Doc(
            "When an event has waited so long, in seconds, they are moved too.", low=1, high=604_800
        ),
    ] = 3600.0
    retention_days: Annotated[
        int,
        Doc(
            "Delete the Parquet files of events that were received more days ago, in UTC; 0 keeps "
            "all.",
            low=0,
            high=36_500,
        ),
    ] = 0
    poll_interval_s: Annotated[
        float,
        Doc(
            "How often, in seconds, a worker looks for a newly published manifest.",
            low=0.05,
            high=60,
        ),
    ] = 0.5
    throttle_tier: Annotated[
        str,
        Doc(
            "The tier of a token or key that has none of its own: free is 20 requests a second "
            "with bursts of 100, standard 500 with bursts of 2000.",
            choices=("free", "standard", "unlimited"),
        ),
    ] = "unlimited"
    address_rate: Annotated[
        int,
        Doc(
            "Requests a second that one client address outside this machine may make with a "
            "publishable token or a preview link; 0 sets no limit.",
            low=0,
            high=1_000_000,
        ),
    ] = 50
    address_burst: Annotated[
        int,
        Doc("How many requests such an address may make at once.", low=1, high=1_000_000),
    ] = 200
    trusted_proxies: Annotated[
        tuple[str, ...],
        Doc(
            "Addresses or networks of proxies whose X-Forwarded-For is believed. In a variable "
            "or flag separated by commas."
        ),
    ] = ()
    feed_refresh_s: Annotated[
        float,
        Doc(
            "How often, in seconds, the products of the feeds are computed anew.",
            low=1,
            high=86_400,
        ),
    ] = 300.0
    view_events: Annotated[
        tuple[str, ...],
        Doc(
            "The names of events that say that a subject looked at a product (`productId` or "
            "`product_id` in their properties), in any case. In a variable or flag separated by "
            "commas, as the two below."
        ),
    ] = ("Product viewed",)
    cart_events: Annotated[
        tuple[str, ...],
        Doc("Those that say that it was put into a cart, `quantity` times."),
    ] = ("Added to cart",)
    order_events: Annotated[
        tuple[str, ...],
        Doc("Those that say that it was ordered, `quantity` times."),
    ] = ("Product ordered",)
    metrics_open: Annotated[
        bool,
        Doc("Answer /metrics to any address, not only to this machine."),
    ] = False
    access_log: Annotated[bool, Doc("Log one line for every request.")] = False

    @property
    def events_dir(self) -> Path:
        """Where the files of the event log are."""
        return self.data_dir / "events"

    def to_environment(self) -> dict[str, str]:
        """The `FAIRLOT_*` variables that say the same, for worker processes."""
        return {
            variable_of(item.name): _as_variable(value)
            for item in fields(self)
            if (value := getattr(self, item.name)) is not None
        }


def load_settings(
    toml_path: Path | None, env: Mapping[str, str], flags: Mapping[str, object]
) -> Settings:
    """Read all sources; a flag of None was not given. Raises InvalidSetting."""
    values: dict[str, Any] = {}
    if toml_path is not None:
        values |= _from_toml(toml_path)
    values |= _from_environment(env)
    for name, value in flags.items():
        if value is not None:
            values[name] = _read(name, value, f"flag {flag_of(name)}")
    return Settings(**values)


def setting_names() -> tuple[str, ...]:
    return tuple(item.name for item in fields(Settings))


def setting_doc(name: str) -> Doc:
    doc: Doc = get_args(_HINTS[name])[1]
    return doc


def variable_of(name: str) -> str:
    """The environment variable that sets a field."""
    return ENV_PREFIX + name.upper()


def flag_of(name: str) -> str:
    """The flag of the command line that sets a field."""
    return "--" + name.replace("_", "-")


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise InvalidSetting(
            str(path), "file", error.strerror, "make the file readable, or name another"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(str(path), "file", str(error), "correct the TOML") from error
    values = {}
    for name, value in table.items():
        if isinstance(value, dict):
            fix = f"there are no sections; write the settings without [{name}]"
            raise InvalidSetting(str(path), name, "(a section)", fix)
        if name not in _HINTS:
            # Nor is the value shown: a misspelt secret is still one.
            raise InvalidSetting(str(path), name, "(not shown)", _nearest(name, setting_names()))
        values[name] = _read(name, value, str(path))
    if "data_dir" in values:
        values["data_dir"] = path.parent / values["data_dir"]
    return values


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    known = {variable_of(name): name for name in setting_names()}
    values = {}
    for variable in sorted(env):
        if not variable.startswith(ENV_PREFIX) or variable in ENV_NOT_SETTINGS:
            continue
        if variable not in known:
            nearest = _nearest(variable, tuple(known))
            fix = f"{nearest}. Variables that begin with {ENV_PREFIX} are settings: rename yours"
            raise InvalidSetting("environment", variable, "(not shown)", fix)
        values[known[variable]] = _read(known[variable], env[variable], variable)
    return values


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"no such setting; did you mean {near[0]}?"
    return f"no such setting; there are {', '.join(sorted(known))}"


def _read(name: str, value: object, source: str) -> Any:
    doc = setting_doc(name)
    try:
        reader = _READERS_BY_NAME.get(name) or _READERS[get_args(_HINTS[name])[0]]
        result = reader(value)
        _check_bounds(result, doc)
    except ValueError as error:
        shown = "(not shown)" if doc.is_secret else value
        raise InvalidSetting(source, name, shown, str(error)) from error
    return result


def _check_bounds(value: object, doc: Doc) -> None:
    if doc.choices and value not in doc.choices:
        raise ValueError(f"use one of {', '.join(doc.choices)}")
    if doc.is_secret and isinstance(value, str):
        if doc.low is not None and len(value) < doc.low:
            raise ValueError(f"use at least {doc.low} characters")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if doc.low is not None and value < doc.low:
            raise ValueError(f"use a number of {doc.low} or more")
        if doc.high is not None and value > doc.high:
            raise ValueError(f"use a number of {doc.high} or less")


def _read_text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError("use text that is not empty")


def _read_secret(value: object) -> str | None:
    return None if value is None else _read_text(value)


def _read_database_url(value: object) -> str | None:
    """The rest is libpq's to judge. What is told of a URL (its host) must not hold a password that
    was cut in two by a character of its own."""
    if value is None:
        return None
    url = _read_text(value)
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not separator:
        raise ValueError("use postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(authority) :] or authority.count("@") > 1:
        raise ValueError("write @ / ? # in user and password as %40 %2F %3F %23")
    return url


def _read_path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_read_text(value)).expanduser()


def _read_int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.removeprefix("-").isdigit():
            return int(digits)
    raise ValueError("use a whole number")


def _read_float(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise ValueError("use a number of seconds, as in 0.5") from None
    else:
        raise ValueError("use a number of seconds, as in 0.5")
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("use a finite number of seconds")
    return number


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and (word := value.strip().lower()) in _BOOLS:
        return _BOOLS[word]
    raise ValueError("use true or false")


def _read_networks(value: object) -> tuple[str, ...]:
    networks = _read_names(value)
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise ValueError("use addresses or networks, as in 10.0.0.0/8") from None
    return networks


def _read_names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise ValueError("use a list of texts")
    return tuple(value)


def _as_variable(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)


_BOOLS = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
_READERS: Mapping[Any, Callable[[object], object]] = {
    Path: _read_path,
    str: _read_text,
    str | None: _read_secret,
    int: _read_int,
    float: _read_float,
    bool: _read_bool,
    tuple[str, ...]: _read_networks,
}
_READERS_BY_NAME: Mapping[str, Callable[[object], object]] = {
    "database_url": _read_database_url,
    "warehouse_url": _read_database_url,
    "view_events": _read_names,
    "cart_events": _read_names,
    "order_events": _read_names,
}
_HINTS = get_type_hints(Settings, include_extras=True)
