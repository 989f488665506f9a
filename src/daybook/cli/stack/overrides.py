"""Options of Airflow that the user chooses: another database, task logs in a bucket, a secrets backend.

They stand in a file like `airflow.cfg`, for a database's URL holds a password, which no command line should show.
"""

from __future__ import annotations

import configparser
import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

from daybook.cli.stack.files import write_if_changed
from daybook.cli.stack.project import Project
from daybook.contract.errors import Fault, InvalidSettings

Options = Mapping[str, Mapping[str, str]]

SQLITE = "sqlite"
"""How the URL of the stack's own database begins."""

_DATABASE = ("database", "sql_alchemy_conn")
_STACKS_OWN = {
    "core": ("dags_folder", "plugins_folder", "execution_api_server_url", "fernet_key", "simple_auth_manager_users"),
    "api": ("host", "port", "base_url", "secret_key"),
    "api_auth": ("jwt_secret",),
    "logging": ("base_log_folder",),
}
"""What `up` itself decides: the stack would not find its parts again, or listen where it must not."""
_DRIVERS = {"postgresql": ("psycopg2-binary", "psycopg2"), "postgresql+psycopg2": ("psycopg2-binary", "psycopg2")}
"""Which distributions hold the driver of a kind of URL; any one is enough."""
_ASYNCHRONOUS = ("asyncpg",)
"""Airflow's API server reaches PostgreSQL through this one beside the other."""


def read_overrides(path: Path) -> dict[str, dict[str, str]]:
    """The options in a file, by section; none where there is no file.

    Raises:
        InvalidSettings: it cannot be read, or names options that are the stack's own; every fault is named.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(), str(path))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings("cannot read Airflow's options", [Fault(str(path), str(error))]) from error
    except configparser.Error as error:
        raise InvalidSettings("Airflow's options are not as they must be", [_fault(path, error)]) from None
    found = {section: dict(parser.items(section)) for section in parser.sections()}
    faults = [
        Fault(f"{path}, [{section}] {option}", "is for `daybook up` itself to decide; take it out")
        for section, options in _STACKS_OWN.items()
        for option in options
        if option in found.get(section, {})
    ]
    if faults:
        raise InvalidSettings("cannot take these options of Airflow", faults)
    return found


def take_overrides(project: Project, given: Path | None, running: Mapping[str, object]) -> None:
    """Keeps a copy of the given file for this and later starts; without one the last copy counts.

    Raises:
        InvalidSettings: the file is not there or not as it must be, its database's driver is missing, or the stack is
            up with other options.
    """
    if given is None:
        require_driver(project, read_overrides(project.airflow_overrides))
        return
    if not given.is_file():
        raise InvalidSettings("cannot read Airflow's options", [Fault(str(given), "there is no such file")])
    options = read_overrides(given)
    if running and options != read_overrides(project.airflow_overrides):
        told = f"the stack is up ({', '.join(running)}); run `daybook down` first, then `daybook up` again"
        raise InvalidSettings("cannot change Airflow's options", [Fault(str(given), told)])
    require_driver(project, options)
    if given.resolve() != project.airflow_overrides.resolve():
        write_if_changed(project.airflow_overrides, given.read_text())


def database_of(options: Options) -> str:
    """The URL of Airflow's database; of the stack's own only the beginning."""
    section, option = _DATABASE
    return options.get(section, {}).get(option, SQLITE)


def require_driver(project: Project, options: Options) -> None:
    """Lets pass when Airflow's environment can reach the database.

    Raises:
        InvalidSettings: a driver is missing; says what to install. The URL, which may hold a password, is not told.
    """
    faults = list(_driver_faults(project, database_of(options).partition("://")[0]))
    if faults:
        raise InvalidSettings("cannot reach Airflow's database", faults)


def _driver_faults(project: Project, scheme: str) -> Iterator[Fault]:
    if scheme not in _DRIVERS:
        return
    folders = [str(path) for path in project.airflow_environment.glob("lib/python3*/site-packages")]
    for names in (_DRIVERS[scheme], _ASYNCHRONOUS):
        if not any(_is_installed(name, folders) for name in names):
            yield Fault(
                str(project.airflow_environment), f"holds no {names[0]}; install Daybook with its extra `postgres`"
            )


def _is_installed(name: str, folders: list[str]) -> bool:
    return any(True for _ in importlib.metadata.distributions(name=name, path=folders))


def _fault(path: Path, error: configparser.Error) -> Fault:
    """Where the file is wrong, without the line itself, which may hold a password."""
    line = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), None)
    where = str(path) if line is None else f"{path}, line {line}"
    return Fault(where, "is no `option = value` in a [section], or stands there twice")
