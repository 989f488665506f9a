"""The project folder, and where the local stack keeps everything it writes: below `.daybook/` and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daybook.contract.errors import Fault, InvalidSettings

HOME_VARIABLE = "DAYBOOK_HOME"
"""Names the project folder for commands that are started elsewhere."""

STATE_FOLDER = ".daybook"
_MARKS = ("pyproject.toml", "dags")
_PRIVATE_FOLDER = 0o700


@dataclass(frozen=True)
class Project:
    """A Daybook project: the folder with `pyproject.toml` and `dags/`; the stack's state lies in `.daybook/` in it."""

    root: Path

    @property
    def state(self) -> Path:
        """Everything that the local stack writes; only its owner can look inside."""
        return self.root / STATE_FOLDER

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.state / "logs"

    @property
    def records(self) -> Path:
        """One process record a component."""
        return self.state / "run"

    @property
    def secrets(self) -> Path:
        """Tokens and keys, each a file of mode 0600."""
        return self.state / "secrets"

    @property
    def pod_secrets(self) -> Path:
        """Where localpods resolves secret references: `<namespace>/<secret>/<key>`."""
        return self.secrets / "pods"

    @property
    def pods_state(self) -> Path:
        """The folder of localpods."""
        return self.state / "localpods"

    @property
    def pods_token(self) -> Path:
        """The bearer token of localpods."""
        return self.secrets / "localpods-token"

    @property
    def voucher_key(self) -> Path:
        """The key that vouchers for groups are signed with."""
        return self.secrets / "voucher-key"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME: configuration, database, task logs."""
        return self.state / "airflow"

    @property
    def airflow_overrides(self) -> Path:
        """Options of `airflow.cfg` that win over those which `up` writes; the copy of what it was given."""
        return self.state / "airflow-overrides.cfg"

    @property
    def airflow_state(self) -> Path:
        """What Daybook keeps on Airflow's side: the last good workspaces."""
        return self.airflow_home / "daybook"

    @property
    def kubeconfig(self) -> Path:
        """For `kubectl --kubeconfig` and for Airflow's connection."""
        return self.state / "kubeconfig"

    @property
    def images(self) -> Path:
        """Which local environment stands for which image."""
        return self.state / "images.json"

    @property
    def stack_file(self) -> Path:
        """The ports and addresses that `up` chose, for the other commands."""
        return self.state / "stack.json"

    @property
    def lock(self) -> Path:
        """Held by the one `up` or `down` that is at work."""
        return self.state / "lock"

    @property
    def admin_password(self) -> Path:
        """The password of Airflow's user `admin`."""
        return self.state / "admin-password"

    @property
    def workspaces(self) -> Path:
        """The workspaces of the local stack; written once, then the user's."""
        return self.state / "workspaces.yaml"

    @property
    def airflow_environment(self) -> Path:
        """Airflow's virtual environment."""
        return self.root / ".venv"

    @property
    def notebook_environment(self) -> Path:
        """The virtual environment that notebooks and Spark run in."""
        return self.root / ".venv-notebook"

    @property
    def catalogue(self) -> tuple[Path, ...]:
        """The parts of the project's catalogue that are there."""
        include = self.root / "include"
        return tuple(path for path in (include / "notebooks", include / "catalogue.json") if path.exists())

    def make_folders(self) -> None:
        """Makes the state folders, private to their owner.

        Raises:
            InvalidSettings: the state folder cannot be written.
        """
        folders = (self.state, self.logs, self.records, self.secrets, self.pod_secrets, self.airflow_home)
        try:
            for folder in folders:
                folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            probe = self.state / f".probe-{os.getpid()}"
            probe.write_bytes(b"daybook")
            probe.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
            fault = Fault(str(self.state), f"{reason}; make it a folder that you can write to and that has room")
            raise InvalidSettings("cannot keep the stack's state", [fault]) from error


def is_project(folder: Path) -> bool:
    """Whether a folder holds what makes a Daybook project."""
    return all((folder / mark).exists() for mark in _MARKS)


def find_project(given: Path | None, cwd: Path, environment: Mapping[str, str]) -> Project:
    """The project that a command is about: given, named by `DAYBOOK_HOME`, or the nearest one above `cwd`.

    Raises:
        InvalidSettings: there is none.
    """
    named = given or (Path(environment[HOME_VARIABLE]) if environment.get(HOME_VARIABLE) else None)
    if named is not None:
        folder = (cwd / named).resolve()
        if not is_project(folder):
            where = "--project" if given else HOME_VARIABLE
            fault = Fault(where, f"{folder} is no Daybook project: it must hold {' and '.join(_MARKS)}")
            raise InvalidSettings("no project", [fault])
        return Project(folder)
    start = cwd.resolve()
    for folder in (start, *start.parents):
        if is_project(folder):
            return Project(folder)
    fault = Fault(str(start), f"neither it nor a folder above it holds {' and '.join(_MARKS)}; use --project FOLDER")
    raise InvalidSettings("not inside a Daybook project", [fault])
