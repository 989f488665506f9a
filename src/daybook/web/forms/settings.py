"""The fields of a run's settings: what each workspace allows, told beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from daybook.catalogue import RUN_SETTINGS, Notebook
from daybook.contract.databricks import DATABRICKS_KERNEL
from daybook.contract.errors import Fault
from daybook.workspaces import Workspace, timeout_of

_LABELS = {
    "image": "Image",
    "kernel": "Kernel",
    "memory": "Memory",
    "cpu": "Processors",
    "timeout_seconds": "Time limit in seconds",
}
_EXAMPLES = {"memory": "4Gi", "cpu": "2", "timeout_seconds": "3600"}


@dataclass(frozen=True)
class SettingField:
    """A field of the advanced settings.

    Attributes:
        name: the setting's.
        field: the name of the form's field.
        label: what people read.
        text: what stands in it.
        hints: what holds in each workspace, by its name; under "" what holds in all of them.
        choices: the values there are, by the workspaces' names; None where anything that fits a pattern would do.
        example: a text that would do.
        messages: what is wrong with it.
    """

    name: str
    field: str
    label: str
    text: str
    hints: Mapping[str, str]
    choices: Mapping[str, Sequence[str]] | None
    example: str
    messages: Sequence[str]


def setting_fields(
    notebook: Notebook, workspaces: Sequence[Workspace], given: Mapping[str, str], faults: Sequence[Fault]
) -> list[SettingField]:
    """The fields, for the workspaces in which somebody may run a notebook."""
    return [_field(name, notebook, workspaces, given.get(name, ""), faults) for name in _LABELS]


def setting_of(where: str) -> str | None:
    """The setting that a fault is about: the catalogue and the workspace name its place differently."""
    place, _, name = where.partition(".")
    return name if place in (RUN_SETTINGS, "run") and name in _LABELS else None


def _field(
    name: str, notebook: Notebook, workspaces: Sequence[Workspace], text: str, faults: Sequence[Fault]
) -> SettingField:
    return SettingField(
        name,
        f"{RUN_SETTINGS}.{name}",
        _LABELS[name],
        text,
        _shared({each.name: ", ".join(_hints(name, notebook, each)) for each in workspaces}),
        _images(notebook, workspaces, text) if name == "image" else None,
        _EXAMPLES.get(name, ""),
        [fault.message for fault in faults if setting_of(fault.where) == name],
    )


def _shared(hints: dict[str, str]) -> dict[str, str]:
    """What is the same everywhere needs to be said but once."""
    said = set(hints.values())
    return {"": said.pop()} if len(said) == 1 else hints


def _hints(name: str, notebook: Notebook, workspace: Workspace) -> Iterator[str]:
    run, maximum = notebook.run, workspace.maximum
    if name == "image":
        if workspace.runs_in == "worker":
            yield "none: its notebooks run in Airflow's worker"
            return
        yield f"by default {run.image or workspace.image}"
        if any("*" in each for each in workspace.allowed.images):
            yield f"allowed are {', '.join(workspace.allowed.images)}"
    elif name == "kernel":
        yield f"by default {run.kernel or 'the one that the notebook names'}"
        if workspace.databricks is not None and not notebook.secret_inputs:
            cluster = run.databricks_cluster or workspace.databricks.cluster_id
            yield f"{DATABRICKS_KERNEL} runs it on the cluster {cluster}"
    elif name == "timeout_seconds":
        yield f"by default {timeout_of(workspace, run):g}"
        if maximum.timeout_seconds is not None:
            yield f"at most {maximum.timeout_seconds}"
    else:
        yield f"by default {getattr(run, name) or getattr(workspace, name)}"
        if getattr(maximum, name) is not None:
            yield f"at most {getattr(maximum, name)}"


def _images(notebook: Notebook, workspaces: Sequence[Workspace], text: str) -> dict[str, list[str]] | None:
    """The images of each workspace, where all are named one by one; what was given already must be among them."""
    if any("*" in pattern for each in workspaces for pattern in each.allowed.images):
        return None
    found = {}
    for each in workspaces:
        own = [each.image] if notebook.run.image else []
        found[each.name] = list(dict.fromkeys((*own, *each.allowed.images))) if each.runs_in == "pod" else []
    return None if text and not any(text in images for images in found.values()) else found
