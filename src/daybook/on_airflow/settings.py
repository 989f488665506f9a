"""What Daybook needs to know inside Airflow's processes, read once from their environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daybook.catalogue import Catalogue, load_catalogue
from daybook.contract.errors import Fault, InvalidSettings
from daybook.contract.variables import CATALOGUE_VARIABLE, PUBLIC_URL_VARIABLE, STORE_VARIABLES, WORKSPACES_VARIABLE
from daybook.on_airflow.credentials.connections import Buckets
from daybook.storage import Store
from daybook.workspaces import Workspace, Workspaces, load_workspaces


@dataclass(frozen=True)
class Settings:
    """Where things lie.

    Attributes:
        catalogue_paths: folders of notebook folders, and JSON lists.
        workspaces_path: `workspaces.yaml`.
        public_url: how a browser reaches Airflow, without a slash at the end; empty gives relative links.
        store_environment: credentials and endpoints for buckets, as the process was given them.
        buckets: opens them, through Airflow's connections where a workspace names one.
    """

    catalogue_paths: tuple[Path, ...]
    workspaces_path: Path
    public_url: str = ""
    store_environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    buckets: Buckets = field(default_factory=Buckets, repr=False, compare=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Reads `DAYBOOK_CATALOGUE` (paths, separated like PATH), `DAYBOOK_WORKSPACES` and `DAYBOOK_PUBLIC_URL`.

        Raises:
            InvalidSettings: one that is needed is missing.
        """
        missing = [name for name in (CATALOGUE_VARIABLE, WORKSPACES_VARIABLE) if name not in environment]
        if missing:
            faults = [Fault(name, "is not set in the environment of Airflow's processes") for name in missing]
            raise InvalidSettings("Daybook is not set up", faults)
        return cls(
            catalogue_paths=tuple(Path(path) for path in environment[CATALOGUE_VARIABLE].split(os.pathsep) if path),
            workspaces_path=Path(environment[WORKSPACES_VARIABLE]),
            public_url=environment.get(PUBLIC_URL_VARIABLE, "").rstrip("/"),
            store_environment={k: v for k, v in environment.items() if k.startswith(STORE_VARIABLES)},
        )

    def load_catalogue(self) -> Catalogue:
        """The catalogue as it is on disk now."""
        return load_catalogue(self.catalogue_paths)

    def load_workspaces(self) -> Workspaces:
        """The workspaces as they are on disk now.

        Raises:
            InvalidSettings: the file is not as it must be.
        """
        return load_workspaces(self.workspaces_path)

    def open_bucket(self, workspace: Workspace) -> Store:
        """A workspace's bucket: by its role or connection, else with this process's credentials.

        Raises:
            InvalidSettings: there is no such connection.
            StoreFailed: it cannot be opened.
        """
        return self.buckets.open(workspace, self.store_environment)

    def run_page(self, workspace: str, run_id: str) -> str:
        """The page of a run."""
        return f"{self.public_url}/notebooks/runs/{workspace}/{run_id}"
