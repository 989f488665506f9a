"""What a command needs to know about where things lie, read once from options, environment and the project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daybook.catalogue import Catalogue, load_catalogue
from daybook.cli.stack import state
from daybook.cli.stack.airflow import ADMIN
from daybook.cli.stack.project import Project, find_project
from daybook.contract.errors import Fault, InfrastructureFailed, InvalidSettings
from daybook.contract.variables import (
    CATALOGUE_VARIABLE,
    PUBLIC_URL_VARIABLE,
    STATE_VARIABLE,
    STORE_VARIABLES,
    WORKSPACES_VARIABLE,
)
from daybook.storage import Store
from daybook.workspaces import Workspace, Workspaces, WorkspacesFile

API_URL_VARIABLE = "DAYBOOK_API_URL"
API_USER_VARIABLE = "DAYBOOK_API_USER"
API_PASSWORD_VARIABLE = "DAYBOOK_API_PASSWORD"  # noqa: S105 - the variable's name
API_TOKEN_VARIABLE = "DAYBOOK_API_TOKEN"  # noqa: S105 - the variable's name

_START = "start the local stack with `daybook up`"


@dataclass(frozen=True)
class ApiAccess:
    """How Airflow's REST API is reached.

    Attributes:
        token: a bearer token; where there is none, user and password get one.
        local: whether it is the stack of this project, so that `daybook up` can help.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    local: bool = False


@dataclass(frozen=True)
class Settings:
    """Where things lie, for one command."""

    environment: Mapping[str, str] = field(repr=False)
    project: Project | None

    @classmethod
    def find(cls, project: Path | None) -> Settings:
        """The settings of this process: a project is needed only where the environment does not say enough.

        Raises:
            InvalidSettings: a project was named and is none, or one is needed and there is none.
        """
        environment = dict(os.environ)
        try:
            return cls(environment, find_project(project, Path.cwd(), environment))
        except InvalidSettings:
            if project is None and environment.get(CATALOGUE_VARIABLE) and environment.get(WORKSPACES_VARIABLE):
                return cls(environment, None)
            raise

    def load_catalogue(self) -> Catalogue:
        """The catalogue as it is on disk now."""
        named = self.environment.get(CATALOGUE_VARIABLE)
        if named:
            return load_catalogue([Path(path) for path in named.split(os.pathsep) if path])
        return load_catalogue(self.project.catalogue if self.project else ())

    def load_workspaces(self) -> Workspaces:
        """The workspaces in force: as they are on disk now or, while that is faulty, the last good ones.

        Raises:
            InvalidSettings: there is no such file, or it is not as it must be and no good one is known.
        """
        path, named = self._workspaces_path()
        if path is None or not (named or path.exists()):
            fault = Fault("workspaces", f"there is no workspaces.yaml yet: {_START}, or set {WORKSPACES_VARIABLE}")
            raise InvalidSettings("no workspaces", [fault])
        return WorkspacesFile(path, self._kept_in()).read().workspaces

    def workspaces_fault(self) -> InvalidSettings | None:
        """What is wrong with the workspaces, if anything; a file that is not there yet is not wrong."""
        path, named = self._workspaces_path()
        if path is None or not (named or path.exists()):
            return None
        try:
            return WorkspacesFile(path, self._kept_in()).read().fault
        except InvalidSettings as fault:
            return fault

    def _workspaces_path(self) -> tuple[Path | None, bool]:
        """The file, and whether the environment names it."""
        named = self.environment.get(WORKSPACES_VARIABLE)
        return (Path(named), True) if named else (self.project.workspaces if self.project else None, False)

    def _kept_in(self) -> Path | None:
        named = self.environment.get(STATE_VARIABLE)
        return Path(named) if named else self.project.airflow_state if self.project else None

    def open_bucket(self, workspace: Workspace) -> Store:
        """A workspace's bucket, with the caller's own credentials.

        Raises:
            StoreFailed: it cannot be opened.
        """
        own = {name: value for name, value in self.environment.items() if name.startswith(STORE_VARIABLES)}
        return workspace.open_bucket(own)

    def api(self) -> ApiAccess:
        """How to reach Airflow: what the environment says, else the local stack.

        Raises:
            InvalidSettings: the environment names an Airflow but not who asks.
            InfrastructureFailed: the local stack was never up.
        """
        url = self.environment.get(API_URL_VARIABLE)
        user, password, token = (
            self.environment.get(name) or None
            for name in (API_USER_VARIABLE, API_PASSWORD_VARIABLE, API_TOKEN_VARIABLE)
        )
        if url:
            return _remote(url, user, password, token)
        remembered = state.remembered(self.project).get("api_url") if self.project else None
        if self.project is None or not remembered or not self.project.admin_password.exists():
            raise InfrastructureFailed(f"there is no Airflow to ask: {_START}, or set {API_URL_VARIABLE}")
        if user is None and token is None:
            user, password = ADMIN, self.project.admin_password.read_text().strip()
        return ApiAccess(str(remembered), user, password, token, local=True)

    def public_url(self) -> str:
        """Where people see Daybook's pages, without a slash at the end; empty when nobody has said."""
        named = self.environment.get(PUBLIC_URL_VARIABLE) or self.environment.get(API_URL_VARIABLE)
        if named:
            return named.rstrip("/")
        return str(state.remembered(self.project).get("api_url", "")) if self.project else ""


def _remote(url: str, user: str | None, password: str | None, token: str | None) -> ApiAccess:
    # The local stack's password is never offered to another server.
    if not url.startswith(("http://", "https://")):
        raise InvalidSettings("cannot reach Airflow", [Fault(API_URL_VARIABLE, f"{url!r} is no http(s) address")])
    if token is None and (user is None or password is None):
        names = f"{API_TOKEN_VARIABLE}, or {API_USER_VARIABLE} and {API_PASSWORD_VARIABLE}"
        raise InvalidSettings("cannot reach Airflow", [Fault(API_URL_VARIABLE, f"is set, so set {names} too")])
    return ApiAccess(url.rstrip("/"), user, password, token)


def run_page(public_url: str, workspace: str, run_id: str) -> str:
    """The page of a run."""
    return f"{public_url}/notebooks/runs/{workspace}/{run_id}"
