from dataclasses import fields
from pathlib import Path
from typing import Annotated, get_origin, get_type_hints

import pytest

from fairlot.profiles.products import PRODUCT_EVENTS, product_events
from fairlot.settings import (
    InvalidSetting,
    Settings,
    load_settings,
    setting_doc,
    setting_names,
)

SECRET = "correct horse battery"


def toml_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fairlot.toml"
    path.write_text(text, "utf-8")
    return path


def refused(toml: Path | None = None, env: dict[str, str] | None = None, **flags: object) -> str:
    with pytest.raises(InvalidSetting) as caught:
        load_settings(toml, env or {}, flags)
    return str(caught.value)


def test_settings__no_source__are_the_defaults() -> None:
    assert load_settings(None, {}, {}) == Settings()


def test_product_events__default__are_those_of_the_profiles() -> None:
    plain = Settings()
    events = product_events(
        view=plain.view_events, cart=plain.cart_events, order=plain.order_events
    )
    assert events == PRODUCT_EVENTS


def test_settings__all_sources__flag_beats_variable_beats_file(tmp_path: Path) -> None:
    toml = toml_file(tmp_path, "port = 1001\nworkers = 2\nhost = '10.0.0.1'\n")
    settings = load_settings(
        toml, {"FAIRLOT_PORT": "1002", "FAIRLOT_WORKERS": "3"}, {"port": "1003", "workers": None}
    )
    assert (settings.port, settings.workers, settings.host) == (1003, 3, "10.0.0.1")


def test_settings__every_field__is_documented_and_annotated() -> None:
    hints = get_type_hints(Settings, include_extras=True)
    assert set(hints) == {item.name for item in fields(Settings)}
    for name in setting_names():
        assert get_origin(hints[name]) is Annotated
        assert setting_doc(name).text.endswith(".")


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("FAIRLOT_DURABLE_IMPRESSIONS", "true", True),
        ("FAIRLOT_DURABLE_IMPRESSIONS", "OFF", False),
        ("FAIRLOT_POLL_INTERVAL_S", "0.25", 0.25),
        ("FAIRLOT_TRUSTED_PROXIES", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        ("FAIRLOT_DATA_DIR", "/var/lib/fairlot", Path("/var/lib/fairlot")),
        ("FAIRLOT_SECRET", SECRET, SECRET),
        ("FAIRLOT_THROTTLE_TIER", "free", "free"),
        ("FAIRLOT_VIEW_EVENTS", "Product viewed, view_item", ("Product viewed", "view_item")),
    ],
)
def test_variable__of_each_type__is_read(variable: str, text: str, value: object) -> None:
    settings = load_settings(None, {variable: text}, {})
    assert getattr(settings, variable.removeprefix("FAIRLOT_").lower()) == value


@pytest.mark.parametrize(
    ("variable", "text", "fix"),
    [
        ("FAIRLOT_PORT", "http", "use a whole number"),
        ("FAIRLOT_PORT", "70000", "use a number of 65535 or less"),
        ("FAIRLOT_WORKERS", "0", "use a number of 1 or more"),
        ("FAIRLOT_POLL_INTERVAL_S", "nan", "use a finite number of seconds"),
        ("FAIRLOT_POLL_INTERVAL_S", "soon", "use a number of seconds, as in 0.5"),
        ("FAIRLOT_METRICS_OPEN", "maybe", "use true or false"),
        ("FAIRLOT_THROTTLE_TIER", "gold", "use one of free, standard, unlimited"),
        ("FAIRLOT_HOST", " ", "use text that is not empty"),
        ("FAIRLOT_TRUSTED_PROXIES", "::1, abc", "use addresses or networks, as in 10.0.0.0/8"),
    ],
)
def test_variable__wrong_value__names_source_field_value_and_fix(
    variable: str, text: str, fix: str
) -> None:
    name = variable.removeprefix("FAIRLOT_").lower()
    assert refused(env={variable: text}) == f"{variable}: {name}: {text!r}: {fix}"


def test_variable__unknown_name__is_refused_with_the_nearest() -> None:
    message = refused(env={"FAIRLOT_SECRTE": SECRET})
    assert "did you mean FAIRLOT_SECRET?" in message
    assert "Variables that begin with FAIRLOT_ are settings: rename yours" in message
    assert SECRET not in message


def test_variable__of_the_command_line__is_no_setting() -> None:
    env = {"FAIRLOT_DEBUG": "1", "FAIRLOT_CONFIG": "x.toml", "PATH": "/bin"}
    assert load_settings(None, env, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("prot = 1", "prot: '(not shown)': no such setting; did you mean port?"),
        ("zzz = 1", "no such setting; there are access_log, address_burst"),
        ("port = true", "port: True: use a whole number"),
        ("poll_interval_s = true", "poll_interval_s: True: use a number of seconds"),
        ("trusted_proxies = [1]", "trusted_proxies: [1]: use a list of texts"),
        ("port = ", "file: "),
        (
            "[server]\nport = 1",
            "server: '(a section)': there are no sections",
        ),
    ],
)
def test_toml__wrong__names_the_file_and_the_fix(tmp_path: Path, text: str, part: str) -> None:
    path = toml_file(tmp_path, text)
    message = refused(path)
    assert message.startswith(f"{path}: ")
    assert part in message


def test_toml__absent_file__is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.toml")


def test_toml__relative_data_directory__starts_at_the_file(tmp_path: Path) -> None:
    path = toml_file(tmp_path, "data_dir = 'data'\ntrusted_proxies = ['::1']\n")
    settings = load_settings(path, {}, {})
    assert settings.data_dir == tmp_path / "data"
    assert settings.trusted_proxies == ("::1",)


def test_flag__wrong_value__is_named_as_the_flag() -> None:
    assert refused(log_queue_bound="many").startswith("flag --log-queue-bound: log_queue_bound:")


def test_secret__everywhere__is_never_shown() -> None:
    settings = load_settings(None, {"FAIRLOT_SECRET": SECRET}, {})
    assert SECRET not in repr(settings)
    assert "hunter2" not in refused(env={"FAIRLOT_SECRET": "hunter2"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@db.example:5432/shop?sslmode=verify-full",
        "postgres://db.example/shop",
        "postgresql:///shop?host=/run/postgresql",
        "postgresql://[::1]:5432,db2.example/shop",
    ],
)
def test_database_url__of_postgresql__is_taken_as_it_is(url: str) -> None:
    settings = load_settings(None, {"FAIRLOT_DATABASE_URL": url}, {})
    assert settings.database_url == url
    assert url not in repr(settings)
    assert load_settings(None, settings.to_environment(), {}) == settings


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("mysql://me:hunter2@db/shop", "use postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
        ("host=db password=hunter2", "use postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
        ("postgresql://me:hunt@er2@db/shop", "write @ / ? # in user and password as %40 %2F"),
        ("postgresql://me:hunt/er2@db/shop", "write @ / ? # in user and password as %40 %2F"),
        ("postgresql://me:hunt?er2@db/shop", "write @ / ? # in user and password as %40 %2F"),
    ],
)
def test_database_url__wrong__is_refused_and_not_shown(url: str, fix: str) -> None:
    message = refused(env={"FAIRLOT_DATABASE_URL": url})
    start = "FAIRLOT_DATABASE_URL: database_url: '(not shown)': "
    assert message.startswith(start + fix)
    assert "hunt" not in message


def test_settings__to_environment_and_back__are_equal() -> None:
    for settings in (
        Settings(),
        Settings(
            data_dir=Path("/d"),
            port=9,
            durable_impressions=True,
            secret=SECRET,
            trusted_proxies=("::1", "10.0.0.0/8"),
        ),
    ):
        assert load_settings(None, settings.to_environment(), {}) == settings
