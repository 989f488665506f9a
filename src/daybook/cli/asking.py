"""A request as a command line gives it, checked against catalogue and workspaces before anything is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from daybook.catalogue import Notebook, conf_of, read_values, settings_of_texts
from daybook.cli.airflow_api import DagRun
from daybook.cli.parameters import read_settings, read_texts, typed
from daybook.cli.settings import Settings
from daybook.contract import keys
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.request import require_travels_with
from daybook.workspaces import Workspace, require_within


@dataclass(frozen=True)
class Request:
    """A request that passed every check this side of Airflow can make."""

    notebook: Notebook
    workspace: Workspace
    parameters: dict[str, JsonValue]
    settings: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def conf(self) -> dict[str, JsonValue]:
        """What a DAG run is asked for with."""
        return conf_of(self.parameters, self.workspace.name, self.settings)

    def run_id(self, dag_run: DagRun) -> str:
        """The run that a DAG run of this request stands for."""
        return keys.airflow_run_id(self.notebook.id, dag_run.run_after, dag_run.dag_id, dag_run.run_id)


def ask(
    settings: Settings,
    notebook_id: str,
    texts: Sequence[str],
    file: Path | None,
    workspace_name: str | None,
    chosen: Sequence[str] = (),
) -> Request:
    """Checks a request.

    Raises:
        InvalidRequest: the notebook, its parameters or the workspace will not do; every fault is named at once.
        InvalidSettings: the workspaces cannot be read.
    """
    return check(
        settings,
        notebook_id,
        read_texts(texts),
        read_values(file) if file is not None else {},
        workspace_name,
        settings_of_texts(read_settings(chosen)),
    )


def check(
    settings: Settings,
    notebook_id: str,
    texts: Mapping[str, list[str]],
    values: Mapping[str, Any],
    workspace_name: str | None,
    chosen: Mapping[str, JsonValue] | None = None,
) -> Request:
    """Checks a request whose values were read already.

    Args:
        settings: where catalogue and workspaces are.
        notebook_id: what to run.
        texts: values from a command line, spelled as in a link.
        values: values with a type already.
        workspace_name: where; None leaves it to the notebook or the installation.
        chosen: settings of this run alone.

    Raises:
        InvalidRequest, InvalidSettings: as `ask` does.
    """
    notebook = settings.load_catalogue().get(notebook_id)
    faults: list[Fault] = []
    parameters: dict[str, JsonValue] = {}
    summary = f"Notebook '{notebook.id}' cannot run like this"
    try:
        parameters = typed(notebook, texts, values)
        require_travels_with(parameters)
    except InvalidRequest as error:
        summary = error.summary
        faults += error.faults
    try:
        notebook = notebook.with_settings(chosen)
    except InvalidRequest as error:
        faults += error.faults
    workspaces = settings.load_workspaces()
    workspace = None
    try:
        workspace = workspaces.get(workspace_name or notebook.default_workspace)
    except InvalidRequest as error:
        faults += error.faults
    if workspace is not None and notebook.workspaces and workspace.name not in notebook.workspaces:
        allowed = ", ".join(notebook.workspaces)
        faults.append(Fault("workspace", f"the catalogue lets this notebook run only in: {allowed}"))
    if workspace is not None:
        try:
            require_within(workspace, notebook.run)
        except InvalidRequest as error:
            faults += error.faults
    if faults or workspace is None:
        raise InvalidRequest(summary, faults)
    return Request(notebook, workspace, parameters, dict(chosen or {}))
