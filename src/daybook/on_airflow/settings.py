"""What Daybook needs to know inside Airflow's processes, read once from their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daybook.catalogue import Catalogue, cached_catalogue
from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.variables import (
    CATALOGUE_VARIABLE,
    NOTEBOOK_ENVIRONMENT_VARIABLE,
    PUBLIC_URL_VARIABLE,
    STATE_VARIABLE,
    STORE_VARIABLES,
    VOUCHER_KEY_VARIABLE,
    WORKSPACES_VARIABLE,
)
from daybook.on_airflow.credentials.connections import Buckets
from daybook.on_airflow.vouchers import read_key
from daybook.storage import Store
from daybook.workspaces import InForce, Workspace, Workspaces, WorkspacesFile


@dataclass(frozen=True)
class Settings:
    """Where things lie.

    Attributes:
        catalogue_paths: folders of notebook folders, and JSON lists.
        workspaces_path: `workspaces.yaml`.
        public_url: how a browser reaches Airflow, without a slash at the end; empty gives relative links.
        store_environment: credentials and endpoints for buckets, as the process was given them.
        notebook_environment: the virtual environment for notebooks that execute in the worker; None is Airflow's own.
        state: a folder of Daybook's own on this machine; the last good workspaces lie in it.
        voucher_key_file: holds the key of vouchers; None where groups and claims do not count in runs.
        buckets: opens them, through Airflow's connections where a workspace names one.
    """

    catalogue_paths: tuple[Path, ...]
    workspaces_path: Path
    public_url: str = ""
    store_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    notebook_environment: Path | None = None
    state: Path | None = None
    voucher_key_file: Path | None = None
    buckets: Buckets = field(default_factory=Buckets, repr=False, compare=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Reads the variables `DAYBOOK_…` of Airflow's side; `DAYBOOK_CATALOGUE` holds paths, separated like PATH.

        Raises:
            InvalidSettings: one that is needed is missing.
        """
        missing = [name for name in (CATALOGUE_VARIABLE, WORKSPACES_VARIABLE) if name not in environment]
        if missing:
            faults = [Fault(name, "is not set in the environment of Airflow's processes") for name in missing]
            raise InvalidSettings("Daybook is not set up", faults)
        notebooks = environment.get(NOTEBOOK_ENVIRONMENT_VARIABLE)
        key_file = environment.get(VOUCHER_KEY_VARIABLE)
        return cls(
            catalogue_paths=tuple(Path(path) for path in environment[CATALOGUE_VARIABLE].split(os.pathsep) if path),
            workspaces_path=Path(environment[WORKSPACES_VARIABLE]),
            public_url=environment.get(PUBLIC_URL_VARIABLE, "").rstrip("/"),
            store_environment={k: v for k, v in environment.items() if k.startswith(STORE_VARIABLES)},
            notebook_environment=Path(notebooks) if notebooks else None,
            state=_state(environment),
            voucher_key_file=Path(key_file) if key_file else None,
        )

    def load_catalogue(self) -> Catalogue:
        """The catalogue as it is on disk now; a process that asks again pays for what has changed alone."""
        return cached_catalogue(self.catalogue_paths).read_now()

    def read_catalogue(self) -> Catalogue:
        """The same, at most a second old, for a process that needs it at each request."""
        return cached_catalogue(self.catalogue_paths).read()

    def load_workspaces(self) -> Workspaces:
        """The workspaces in force: as they are on disk now or, while that is faulty, the last good ones.

        Raises:
            InvalidSettings: the file is not as it must be, and no good one is known here.
        """
        return self.workspaces_in_force().workspaces

    def workspaces_in_force(self) -> InForce:
        """The same, with what is wrong with the file.

        Raises:
            InvalidSettings: as `load_workspaces` does.
        """
        return WorkspacesFile(self.workspaces_path, self.state).read()

    def voucher_key(self) -> str | None:
        """The key that vouchers are signed with; None where there is none.

        Raises:
            InvalidSettings: its file is not as it must be.
        """
        return None if self.voucher_key_file is None else read_key(self.voucher_key_file)

    def open_bucket(self, workspace: Workspace) -> Store:
        """A workspace's bucket: by its role or connection, else with this process's credentials.

        Raises:
            InvalidSettings: there is no such connection.
            StoreFailed: it cannot be opened.
        """
        return self.buckets.open(workspace, self.store_environment)

    def bucket_variables(self, workspace: Workspace) -> dict[str, str]:
        """What `open_bucket` reaches it with, as variables; see `Buckets.variables`."""
        return self.buckets.variables(workspace, self.store_environment)

    def run_page(self, workspace: str, run_id: str) -> str:
        """The page of a run."""
        return f"{self.public_url}/notebooks/runs/{workspace}/{run_id}"


def _state(environment: Mapping[str, str]) -> Path:
    home = environment.get("AIRFLOW_HOME") or "~/airflow"
    return Path(environment.get(STATE_VARIABLE) or Path(home, "daybook")).expanduser()
