"""A notebook's inputs as Airflow Params: the trigger form and what core itself refuses come from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param

from daybook.catalogue import CHOOSABLE, RUN_SETTINGS, WORKSPACE, Input, Notebook
from daybook.contract.errors import Fault

REQUEST_KEYS = ("notebook", "parameters", WORKSPACE, RUN_SETTINGS)
"""What a request to `run_notebook` consists of."""

_FORM_TYPES = {"textarea": "multiline"}


def unknown_keys(request: Iterable[str]) -> list[Fault]:
    """A fault for each name in a request to `run_notebook` that means nothing."""
    known = ", ".join(REQUEST_KEYS)
    return [Fault(name, f"is not known; there are {known}") for name in request if name not in REQUEST_KEYS]


def params_of(notebook: Notebook, workspaces: Iterable[str]) -> dict[str, Param]:
    """The Params of a notebook's own DAG: its inputs, then the workspace and the run's settings.

    Args:
        notebook: the catalogue's entry.
        workspaces: the names to choose from, the default first.
    """
    filled = set(notebook.schedule.parameters) if notebook.schedule else set()
    params = {item.name: _param(item, filled_by_schedule=item.name in filled) for item in notebook.inputs}
    allowed = [name for name in workspaces if not notebook.workspaces or name in notebook.workspaces]
    where = workspace_param(allowed, notebook.default_workspace)
    return {**params, WORKSPACE: where, RUN_SETTINGS: settings_param()}


def workspace_param(names: list[str], default: str | None = None) -> Param:
    """A choice of workspaces; the default is the first unless another one is named."""
    schema: dict[str, Any] = {"type": "string", "enum": names} if names else {"type": ["string", "null"]}
    return Param(
        default or (names[0] if names else None),
        description="Whose bucket, credentials and Spark the run uses.",
        title="Workspace",
        section="Run settings",
        **schema,
    )


def settings_param() -> Param:
    """The settings that may be chosen for one run; what they may be is checked when the run is triggered."""
    return Param(
        None,
        description=f"For this run alone, within what the workspace allows: {', '.join(CHOOSABLE)}; "
        'such as {"memory": "4Gi"}.',
        title="Settings",
        section="Run settings",
        type=["object", "null"],
        propertyNames={"enum": [*CHOOSABLE]},
    )


def request_params(notebooks: Iterable[str], workspaces: Iterable[str]) -> dict[str, Param]:
    """The Params of `run_notebook`: any notebook by its id."""
    return {
        "notebook": Param(
            description="The notebook's id in the catalogue.", title="Notebook", type="string", examples=[*notebooks]
        ),
        "parameters": Param({}, description="Values by input name.", title="Parameters", type="object"),
        WORKSPACE: Param(
            None,
            description="Whose bucket, credentials and Spark the run uses; the notebook's own default if not chosen.",
            title="Workspace",
            type=["string", "null"],
            enum=[*workspaces, None],
        ),
        RUN_SETTINGS: settings_param(),
    }


def _param(item: Input, *, filled_by_schedule: bool) -> Param:
    schema = {**item.kind.json_schema(item), "title": item.title or item.name}
    # A scheduled DAG needs a valid default for each Param, also where its schedule fills the value in later.
    if _takes_nothing(item, filled_by_schedule=filled_by_schedule):
        schema = _or_null(schema)
    if item.advanced:
        schema["section"] = "Advanced"
    if "format" not in schema and item.shown_by in _FORM_TYPES:
        schema["format"] = _FORM_TYPES[item.shown_by]
    labels = {str(each.value): each.label for each in item.choices or () if each.label}
    if labels:
        schema["values_display"] = labels
    if item.multiple:
        schema["examples"] = [each.value for each in item.choices or ()]
    elif item.example is not None:
        schema["examples"] = [item.example]
    description = item.description or None
    if item.has_default:
        return Param(item.default, description=description, **schema)
    if "null" in _types(schema) or _takes_nothing(item, filled_by_schedule=filled_by_schedule):
        return Param(None, description=description, **schema)
    return Param(description=description, **schema)


def _takes_nothing(item: Input, *, filled_by_schedule: bool) -> bool:
    return item.nullable or item.left_to_notebook or (filled_by_schedule and not item.has_default)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that takes null too; the form reads the type at the top, so it must stay there."""
    if "type" not in schema:
        if "enum" in schema:
            return {**schema, "enum": [*schema["enum"], None]}
        notes = {key: schema[key] for key in ("title",) if key in schema}
        rest = {key: value for key, value in schema.items() if key not in notes}
        return {**notes, "anyOf": [rest, {"type": "null"}]} if rest else notes
    nullable = {**schema, "type": [*_types(schema), "null"]}
    return {**nullable, "enum": [*schema["enum"], None]} if "enum" in schema else nullable


def _types(schema: dict[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else list(found)
