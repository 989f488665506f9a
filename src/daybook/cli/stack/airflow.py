"""How the local Airflow is set up: its configuration file, its environment, its database's version."""

from __future__ import annotations

import base64
import configparser
import importlib.metadata
import io
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from daybook.cli.stack.files import minted, write_if_changed, write_private
from daybook.cli.stack.overrides import SQLITE, database_of, read_overrides
from daybook.cli.stack.ports import LOOPBACK, Ports
from daybook.cli.stack.project import Project
from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.variables import (
    CATALOGUE_VARIABLE,
    JUPYTER_LINK_VARIABLE,
    METRICS_TOKEN_VARIABLE,
    NOTEBOOK_ENVIRONMENT_VARIABLE,
    OIDC_VARIABLES,
    PUBLIC_URL_VARIABLE,
    RUNS_PER_MINUTE_VARIABLE,
    STATE_VARIABLE,
    VOUCHER_KEY_VARIABLE,
    WORKSPACES_VARIABLE,
)

ADMIN = "admin"

PARALLELISM = 4
"""Tasks that run at the same time; each is a process of about 30 MB that only starts and ends pods."""

CANCEL_SECONDS = 90
"""What the triggerer gives a cancelled run: the pod's grace period to seal its manifest, and some to look."""

PARSE_INTERVAL_SECONDS = 15
"""How soon a new or changed notebook shows up; a parse costs about a second of one core."""

IDLE_SECONDS = 0.5
"""How long the scheduler rests when there is nothing to do: half the default, for a quicker start of runs."""

DATABASE_SECONDS = 20
"""How long a process waits for another one's write to SQLite: on a busy machine the default of 5 s is short. Within the
API server requests take turns to write (`daybook.on_airflow.one_writer`)."""

HEARTBEAT_SECONDS = 1
"""A task's supervisor may miss the exit of its process and then looks again after this while. With the default of 5 s a
notebook of 3 s is back from the triggerer before the scheduler has heard that the task deferred; Airflow takes that
for a task killed from outside and fails it, though the run succeeded. Seen on a busy machine."""

GIVE_UP_SECONDS = 60
"""How long a task may be silent before it is given up: with the default of 5 minutes a run whose worker was killed
stands still as long. A supervisor is silent while the API server is away, and a restart takes up to a minute."""

ORPHANS_SECONDS = 30
"""How often the scheduler looks for tasks that a scheduler before it had queued and took with it when it was killed."""

_PASSED_ON = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR")
_CHOSEN = (OIDC_VARIABLES, JUPYTER_LINK_VARIABLE, METRICS_TOKEN_VARIABLE, RUNS_PER_MINUTE_VARIABLE)
"""How the variables begin by which whoever starts the stack chooses what its pages do."""
_HEADER = "# Written by `daybook up` at every start: changes made here do not last.\n"


def api_url(ports: Ports) -> str:
    """Where Airflow's pages and REST API are."""
    return f"http://{LOOPBACK}:{ports.api}"


def base_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the stack's processes get of the caller's environment: little, so that the stack is the same for everyone.

    In particular $KUBECONFIG, which would divert the operator's trigger, AIRFLOW__…, PYTHONPATH and proxies stay out.
    """
    return {name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith("LC_")}


_LOCAL_SETTINGS = '''\
"""Written by `daybook up`: each run is counted in the pool of its workspace (Airflow reads this at its start)."""

from daybook.on_airflow.policy import task_instance_mutation_hook  # noqa: F401
'''


def airflow_environment(project: Project, ports: Ports, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of Airflow's processes; secrets are in the configuration file, not here."""
    own = {
        "AIRFLOW_HOME": str(project.airflow_home),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": _kubernetes_connection(project),
        CATALOGUE_VARIABLE: ":".join(map(str, project.catalogue)),
        WORKSPACES_VARIABLE: str(project.workspaces),
        PUBLIC_URL_VARIABLE: api_url(ports),
        NOTEBOOK_ENVIRONMENT_VARIABLE: str(project.notebook_environment),
        STATE_VARIABLE: str(project.airflow_state),
        VOUCHER_KEY_VARIABLE: str(project.voucher_key),
        # Process titles would overwrite the environment that the stack's processes are recognised by.
        "SPT_NOENV": "1",
    }
    chosen = {name: value for name, value in environment.items() if name.startswith(_CHOSEN)}
    return base_environment(environment) | chosen | own


def _kubernetes_connection(project: Project) -> str:
    extra = {"kube_config_path": str(project.kubeconfig), "in_cluster": False, "namespace": "default"}
    return json.dumps({"conn_type": "kubernetes", "extra": extra})


def write_configuration(project: Project, ports: Ports) -> None:
    """Writes `airflow.cfg`, mode 0600, with the keys minted at the first start; the user's own options win.

    Raises:
        InvalidSettings: the user's options cannot be read, or are not the user's to choose.
    """
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(_configuration(project, ports))
    parser.read_dict(read_overrides(project.airflow_overrides))
    for section in parser.sections():
        for option, value in parser.items(section):
            parser.set(section, option, value.replace("%", "%%"))  # Airflow reads the file with interpolation
    text = io.StringIO(_HEADER)
    text.seek(0, io.SEEK_END)
    parser.write(text)
    write_if_changed(project.airflow_home / "airflow.cfg", text.getvalue())
    write_if_changed(project.airflow_home / "config" / "airflow_local_settings.py", _LOCAL_SETTINGS)
    minted(project.voucher_key)


def _configuration(project: Project, ports: Ports) -> dict[str, dict[str, str]]:
    home = project.airflow_home
    return {
        "core": {
            "dags_folder": str(project.root / "dags"),
            "plugins_folder": str(project.root / "plugins"),
            "executor": "LocalExecutor",
            "parallelism": str(PARALLELISM),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",  # a run of a paused DAG would wait for ever
            "fernet_key": _fernet_key(project.secrets / "airflow-fernet-key"),
            "simple_auth_manager_users": f"{ADMIN}:admin",
            "simple_auth_manager_passwords_file": str(_passwords_file(project)),
            "execution_api_server_url": f"{api_url(ports)}/execution/",
            "hostname_callable": "socket.gethostname",  # the default asks the name server, which may be slow or absent
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}?timeout={DATABASE_SECONDS}"},
        "logging": {
            "base_log_folder": str(home / "logs"),
            "dag_processor_child_process_log_directory": str(home / "logs" / "dag_processor"),
            "colored_console_log": "False",
        },
        "api": {
            "host": LOOPBACK,
            "port": str(ports.api),
            "base_url": api_url(ports),
            "workers": "1",
            "secret_key": minted(project.secrets / "airflow-secret-key"),
        },
        "api_auth": {"jwt_secret": minted(project.secrets / "airflow-jwt-secret")},
        "workers": {
            "min_heartbeat_interval": str(HEARTBEAT_SECONDS),
            # A task that finds no API server, for it crashed, waits about a minute for it rather than fail its run.
            "execution_api_retries": "15",
            "execution_api_retry_wait_max": "5",
        },
        "triggerer": {"on_kill_timeout": str(CANCEL_SECONDS)},
        "scheduler": {
            "enable_health_check": "False",  # the API server's health page tells all
            "scheduler_idle_sleep_time": str(IDLE_SECONDS),
            "task_instance_heartbeat_timeout": str(GIVE_UP_SECONDS),
            "orphaned_tasks_check_interval": str(ORPHANS_SECONDS),
        },
        "dag_processor": {
            "refresh_interval": str(PARSE_INTERVAL_SECONDS),
            "min_file_process_interval": str(PARSE_INTERVAL_SECONDS),
        },
    }


def _fernet_key(path: Path) -> str:
    if not path.is_file():
        write_private(path, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() + "\n")
    return path.read_text().strip()


def _passwords_file(project: Project) -> Path:
    return project.airflow_home / "passwords.json"


def write_admin_password(project: Project) -> bool:
    """Mints the password of `admin` when there is none, and gives it to Airflow; true when it is new."""
    new = not project.admin_password.exists()
    password = minted(project.admin_password)
    write_if_changed(_passwords_file(project), json.dumps({ADMIN: password}) + "\n")
    return new


def admin(project: Project) -> tuple[str, str]:
    """User and password of the administrator."""
    return ADMIN, project.admin_password.read_text().strip()


def installed_version(project: Project) -> str:
    """The version of Airflow in the project's environment, read from its metadata in a few milliseconds.

    Raises:
        InvalidSettings: it is not installed.
    """
    folders = [str(path) for path in project.airflow_environment.glob("lib/python3*/site-packages")]
    for distribution in importlib.metadata.distributions(name="apache-airflow-core", path=folders):
        return distribution.version
    raise InvalidSettings(
        "Airflow is not installed", [Fault(str(project.airflow_environment), "holds no Airflow; run `make setup`")]
    )


def needs_migration(project: Project) -> bool:
    """Whether the database is not there, or was last prepared for another version of Airflow.

    A database server's may have been made anew or belong to others too, so it is looked at each time.
    """
    if not database_of(read_overrides(project.airflow_overrides)).startswith(SQLITE):
        return True
    if not (project.airflow_home / "airflow.db").is_file():
        return True
    try:
        return _stamp(project).read_text().strip() != installed_version(project)
    except FileNotFoundError:
        return True


def stamp_migration(project: Project) -> None:
    """Notes that the database now fits the installed Airflow; saves about 6 s of one core at each later start."""
    write_private(_stamp(project), installed_version(project) + "\n")


def _stamp(project: Project) -> Path:
    return project.airflow_home / "migrated-to"
