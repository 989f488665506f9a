"""What a call of `get_spark_session()` asks for, and what the run was given: checked before anything is started."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest, InvalidSettings
from daybook.contract.spark_settings import AT_START_ONLY, SIZES, WORKSPACES, Layer, is_one_of, setting_faults
from daybook.contract.variables import (
    NOTEBOOK_VARIABLE,
    RUN_VARIABLE,
    SPARK_REMOTE_VARIABLE,
    SPARK_SETTINGS_VARIABLE,
    USER_VARIABLE,
    WORKSPACE_VARIABLE,
)
from daybook.spark.configuration import defaults, merged, settings_of

READY_LIMIT_SECONDS = 60.0
"""How long a run waits for its server: a cold start takes about 10 s, on a busy machine several times that."""
DEFAULT_APP_NAME = "daybook"
HIDDEN_REMOTE_VARIABLE = "DAYBOOK_SPARK_REMOTE"
"""Where the address of the run's server is kept while a session with `local=True` lives."""
POOL_SETTING = "spark.scheduler.pool"
LOCAL_WORKSPACE = "local"
"""What the workspace is called outside of a run; see `daybook.notebook.workspace`."""
_NOT_IN_SESSIONS = (*AT_START_ONLY, *WORKSPACES, *SIZES)


@dataclass(frozen=True)
class Asked:
    """One call of `get_spark_session()`.

    Attributes:
        app_name: the application's name; None for the notebook's.
        settings: Spark's, by name.
        local: start Spark on this machine although a server is given.
        workspace: whose Spark it is to be; None for the run's own.
        scheduler_pool: of Spark's scheduler, for the jobs of this session.
        remote: address of another Connect server than the run's, which may hold a token of its own.
        ready_seconds: how long to wait for the server.
    """

    app_name: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    local: bool = False
    workspace: str | None = None
    scheduler_pool: str | None = None
    remote: str | None = None
    ready_seconds: float = READY_LIMIT_SECONDS

    def address(self, environment: Mapping[str, str]) -> str | None:
        """Of the server to attach to; None where Spark is started here."""
        return None if self.local else self.remote or server_of(environment)

    def name(self, environment: Mapping[str, str]) -> str:
        """The application's name."""
        return self.app_name or environment.get(NOTEBOOK_VARIABLE) or DEFAULT_APP_NAME

    def require(self, environment: Mapping[str, str], *, starts_spark: bool, has_pools: bool) -> None:
        """Lets pass what can be done.

        Args:
            environment: of the run.
            starts_spark: whether a Spark is started for this call.
            has_pools: whether it is, or was, this process's own.

        Raises:
            InvalidRequest: something cannot; every fault is named.
        """
        faults = [
            *setting_faults(self.settings, Layer.CALL, starts_spark=starts_spark),
            *self._faults(environment, has_pools),
        ]
        if faults:
            raise InvalidRequest("this Spark session cannot be had", faults)

    def _faults(self, environment: Mapping[str, str], has_pools: bool) -> Iterator[Fault]:
        if self.local and self.remote is not None:
            yield Fault("local", "is one or the other: Spark on this machine, or the server at `remote`")
        own = environment.get(WORKSPACE_VARIABLE) or LOCAL_WORKSPACE
        if self.workspace is not None and self.workspace != own:
            text = f"this run is in workspace {own!r} and has its Spark alone; run the notebook in {self.workspace!r}"
            yield Fault("workspace", text)
        if self.scheduler_pool is not None and not has_pools:
            text = "Spark Connect has no scheduler pools; with get_spark_session(local=True), first of all, there are"
            yield Fault("scheduler_pool", text)
        if POOL_SETTING in self.settings:
            yield Fault(POOL_SETTING, "is given as `scheduler_pool`")
        if not self.ready_seconds > 0:
            yield Fault("ready_seconds", "must be more than 0")


def server_of(environment: Mapping[str, str]) -> str | None:
    """The address of the run's server; None where there is none."""
    return environment.get(SPARK_REMOTE_VARIABLE) or environment.get(HIDDEN_REMOTE_VARIABLE) or None


def hide_server(environment: MutableMapping[str, str]) -> None:
    """Has pyspark not see that there is a server, while a Spark of this process's own runs."""
    if address := environment.pop(SPARK_REMOTE_VARIABLE, None):
        environment[HIDDEN_REMOTE_VARIABLE] = address


def restore_server(environment: MutableMapping[str, str]) -> None:
    """Has pyspark see it again."""
    if address := environment.pop(HIDDEN_REMOTE_VARIABLE, None):
        environment.setdefault(SPARK_REMOTE_VARIABLE, address)


def session_settings(asked: Asked, environment: Mapping[str, str]) -> dict[str, str]:
    """Settings for a session on a server: of all layers, what a running Spark takes.

    What of a workspace's and a notebook's settings counts at Spark's start only, the server was started with or was
    not; nothing here could change that.
    """
    layers = layers_of(environment)
    shared = merged(*(settings_of(layers[layer]) for layer in (Layer.WORKSPACE, Layer.NOTEBOOK)))
    fitting = {name: value for name, value in shared.items() if not is_one_of(name, _NOT_IN_SESSIONS)}
    return merged(defaults()["session"], fitting, call_settings(asked))


def call_settings(asked: Asked) -> dict[str, str]:
    """The settings of the call alone."""
    return settings_of(asked.settings)  # type: ignore[arg-type]  # `require` has let them pass


def layers_of(environment: Mapping[str, str]) -> dict[Layer, dict[str, Any]]:
    """Spark's settings that the run was given, by who gives them.

    Raises:
        InvalidSettings: the variable holds something else.
    """
    text = environment.get(SPARK_SETTINGS_VARIABLE) or "{}"
    try:
        told = json.loads(text)
        found = {layer: dict(told.get(layer, {})) for layer in (Layer.WORKSPACE, Layer.NOTEBOOK)}
    except (ValueError, TypeError, AttributeError):
        fault = Fault(SPARK_SETTINGS_VARIABLE, 'must be JSON such as {"workspace": {"spark.…": "…"}, "notebook": {}}')
        raise InvalidSettings("the run's Spark settings cannot be read", [fault]) from None
    faults = [
        Fault(f"{layer}: {fault.where}", fault.message)
        for layer, settings in found.items()
        for fault in setting_faults(settings, layer, starts_spark=True)
    ]
    if faults:
        raise InvalidSettings("the run's Spark settings cannot be like this", faults)
    return found


def tags_of(asked: Asked, environment: Mapping[str, str]) -> list[str]:
    """What every operation is tagged with: the run, its notebook, its user and the application's name."""
    given = (*(environment.get(name) for name in (RUN_VARIABLE, NOTEBOOK_VARIABLE, USER_VARIABLE)), asked.app_name)
    # Spark separates tags by commas.
    return list(dict.fromkeys(each.replace(",", "-") for each in given if each))
