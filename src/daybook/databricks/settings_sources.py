"""Where settings are read from: the environment's variables and the nearest `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from daybook.contract.errors import Fault

OURS, PEERS = "tool.daybook.databricks", "tool.jupyter-databricks-kernel"
_PREFIX = "DAYBOOK_DATABRICKS_"
_SDK_VARIABLES = {
    "host": "DATABRICKS_HOST",
    "profile": "DATABRICKS_CONFIG_PROFILE",
    "cluster_id": "DATABRICKS_CLUSTER_ID",
}
_UNHEEDED_OF_PEER = frozenset({"compression_level", "workspace_extract_dir"})
_SECRETS = frozenset({"token", "client_secret", "password"})

Seconds = Annotated[float, Field(gt=0)]
Megabytes = Annotated[float, Field(gt=0)]


def _lines(value: Any) -> Any:
    return value.splitlines() if isinstance(value, str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sync(_Model):
    enabled: bool | None = None
    source: str | None = None
    exclude: Annotated[list[str] | None, BeforeValidator(_lines)] = None
    max_size_mb: Megabytes | None = None
    max_file_size_mb: Megabytes | None = None
    use_gitignore: bool | None = None


class _Table(_Model):
    """What may be set, under these names in a table and in capitals in the environment."""

    cluster_id: Annotated[str, Field(min_length=1)] | None = None
    host: Annotated[str, Field(min_length=1)] | None = None
    profile: Annotated[str, Field(min_length=1)] | None = None
    command_seconds: Seconds | None = None
    cluster_start_seconds: Seconds | None = None
    context_seconds: Seconds | None = None
    unreachable_seconds: Seconds | None = None
    longest_poll_seconds: Seconds | None = None
    cancel_seconds: Seconds | None = None
    sync: _Sync = _Sync()


@dataclass(frozen=True)
class Found:
    """What one source, or several, say.

    Attributes:
        values: by name, `sync.enabled` and the like.
        origins: where each stands, as a person would look for it.
        folder: of the project file; None without one.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    folder: Path | None = None

    def value(self, name: str) -> Any:
        """The value, or None."""
        return self.values.get(name)

    @classmethod
    def first(cls, *sources: Found) -> Self:
        """Each value from the first source that has it."""
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for source in reversed(sources):
            values.update(source.values)
            origins.update(source.origins)
        return cls(
            values,
            origins,
            faults=tuple(fault for source in sources for fault in source.faults),
            notes=tuple(note for source in sources for note in source.notes),
            folder=next((source.folder for source in sources if source.folder), None),
        )


def from_environment(environment: Mapping[str, str]) -> Found:
    """The variables: the SDK's own names, and ours for what it does not know. An empty one counts as unset."""
    table: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name in _names():
        variable = _SDK_VARIABLES.get(name) or variable_of(name)
        if value := environment.get(variable, "").strip():
            _put(table, name, value)
            origins[name] = variable
    return _read(table, origins, lambda name: _SDK_VARIABLES.get(name) or variable_of(name))


def variable_of(name: str) -> str:
    """The variable for a setting: `sync.max_size_mb` is `DAYBOOK_DATABRICKS_SYNC_MAX_SIZE_MB`."""
    return _PREFIX + name.replace(".", "_").upper()


def from_pyproject(folder: Path) -> Found:
    """The nearest `pyproject.toml`, in this folder or above; our table comes before the peer's."""
    path = next(
        (each / "pyproject.toml" for each in (folder, *folder.parents) if (each / "pyproject.toml").exists()), None
    )
    if path is None:
        return Found()
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return Found(faults=(Fault(str(path), f"cannot be read: {error}"),), folder=path.parent)
    ours, peers = _table(document, OURS), _table(document, PEERS)
    found = Found.first(_of_table(ours, path, OURS), _of_peer(peers, path))
    return Found(found.values, found.origins, found.faults, found.notes, path.parent)


def _table(document: Mapping[str, Any], name: str) -> Any:
    for part in name.split("."):
        document = document.get(part, {}) if isinstance(document, Mapping) else {}
    return document


def _of_table(table: Any, path: Path, header: str) -> Found:
    where = f"{path} [{header}]"
    if not isinstance(table, Mapping):
        return Found(faults=(Fault(where, "must be a table"),))
    secrets = tuple(
        Fault(f"{where} {name}", "a secret does not belong into a project's file: use the environment or a profile")
        for name in sorted(_SECRETS & set(table))
    )
    rest = {name: value for name, value in table.items() if name not in _SECRETS}
    found = _read(rest, {name: f"{where} {name}" for name in _flat(rest)}, lambda name: f"{where} {name}")
    return Found(found.values, found.origins, (*secrets, *found.faults))


def _of_peer(table: Any, path: Path) -> Found:
    """Its settings mean the same here; those that only its way of copying has are not heeded."""
    if not isinstance(table, Mapping):
        return _of_table(table, path, PEERS)
    sync = table.get("sync", {})
    unheeded = sorted(_UNHEEDED_OF_PEER & set(sync)) if isinstance(sync, Mapping) else []
    notes = tuple(f"{path} [{PEERS}] sync.{name} is not heeded: files travel in another way here" for name in unheeded)
    if unheeded:
        table = {**table, "sync": {name: value for name, value in sync.items() if name not in unheeded}}
    found = _of_table(table, path, PEERS)
    return Found(found.values, found.origins, found.faults, notes)


def _read(table: Mapping[str, Any], origins: Mapping[str, str], where: Any) -> Found:
    try:
        model = _Table.model_validate(table)
    except ValidationError as error:
        faults = tuple(Fault(where(".".join(map(str, each["loc"]))), _said(each)) for each in error.errors())
        return Found(faults=faults)
    flat = _flat(model.model_dump(exclude_none=True))
    return Found(flat, {name: origin for name, origin in origins.items() if name in flat})


def _said(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such setting"
    return str(error["msg"][:1].lower() + error["msg"][1:]) + f", not {error['input']!r}"


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in table.items() if name != "sync"}
    sync = table.get("sync")
    if isinstance(sync, Mapping):
        flat.update({f"sync.{name}": value for name, value in sync.items()})
    return flat


def _put(table: dict[str, Any], name: str, value: str) -> None:
    if name.startswith("sync."):
        table.setdefault("sync", {})[name.removeprefix("sync.")] = value
    else:
        table[name] = value


def _names() -> list[str]:
    return [name for name in _Table.model_fields if name != "sync"] + [f"sync.{name}" for name in _Sync.model_fields]
