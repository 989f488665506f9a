"""The Spark session that a notebook gets: attached to the Connect server given to the run, else a local one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.variables import (
    NOTEBOOK_VARIABLE,
    RUN_VARIABLE,
    SPARK_REMOTE_VARIABLE,
    SPARK_TOKEN_VARIABLE,
    USER_VARIABLE,
)

READY_LIMIT_SECONDS = 60.0
"""How long a run waits for its server: a cold start takes about 10 s, on a busy machine several times that."""
DEFAULT_APP_NAME = "daybook"
_OURS = frozenset({"spark.master", "spark.remote", "spark.api.mode", "spark.driver.host", "spark.driver.bindAddress"})
_OURS_PREFIXES = ("spark.connect.", "spark.authenticate", "spark.local.connect.")
_AT_START_ONLY = (
    *("spark.app.", "spark.cores.", "spark.driver.", "spark.dynamicAllocation.", "spark.eventLog.", "spark.executor."),
    *("spark.jars", "spark.kryo", "spark.local.", "spark.memory.", "spark.network.", "spark.plugins", "spark.rpc."),
    *("spark.scheduler.", "spark.serializer", "spark.shuffle.", "spark.submit.", "spark.task.", "spark.ui."),
)
"""Settings that a running Spark takes without a word and without effect."""


def get_spark_session(
    app_name: str | None,
    settings: Mapping[str, object] | None,
    *,
    local: bool,
    environment: MutableMapping[str, str],
    report: Callable[[Mapping[str, str | None]], None],
    say: Callable[[str], None],
    limit_seconds: float = READY_LIMIT_SECONDS,
) -> Any:
    """The notebook's one session; asked for again, the same one, with the settings applied to it.

    Args:
        app_name: the application's name where the session starts Spark itself; a server has its own.
        settings: Spark settings of the session.
        local: start a session on this machine although a server is given.
        environment: this process's own, since pyspark reads and changes it.
        report: told of the Spark application, for the run's record.
        say: told what is being waited for.
        limit_seconds: how long to wait for the server.

    Raises:
        InvalidRequest: a setting's name or value cannot be taken; every one is named.
        SparkUnavailable: the server cannot be reached, or refuses the run.
        UnusableJava: there is no server and no Java to start Spark with.
    """
    wanted = checked_settings(settings or {})
    name = app_name or environment.get(NOTEBOOK_VARIABLE) or DEFAULT_APP_NAME
    remote = None if local else environment.get(SPARK_REMOTE_VARIABLE)
    existing = _existing(local)
    if existing is not None:
        _apply(existing, wanted)
        return existing
    if remote:
        return _attached(remote, name, wanted, environment, report, say, limit_seconds)
    from daybook.spark.local import start_local

    session = start_local(name, wanted, environment)
    context = session.sparkContext
    report({"application_id": context.applicationId, "version": session.version, "remote": None, "ui": None})
    return session


def checked_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """Settings as Spark takes them: names that begin with `spark.`, values as text.

    Raises:
        InvalidRequest: some cannot be taken; every one is named.
    """
    faults = []
    for name, value in settings.items():
        if not isinstance(name, str) or not name.startswith("spark."):
            faults.append(Fault(str(name), "a Spark setting's name begins with 'spark.'"))
        elif name in _OURS or name.startswith(_OURS_PREFIXES):
            faults.append(Fault(name, "this setting belongs to the workspace and cannot be changed in a notebook"))
        elif not isinstance(value, str | int | float):
            faults.append(Fault(name, f"the value must be text, a number or a boolean, not {type(value).__name__}"))
    if faults:
        raise InvalidRequest("Spark settings that cannot be taken", faults)
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.items()}


def _attached(
    remote: str,
    name: str,
    settings: Mapping[str, str],
    environment: MutableMapping[str, str],
    report: Callable[[Mapping[str, str | None]], None],
    say: Callable[[str], None],
    limit_seconds: float,
) -> Any:
    # pyspark.sql.functions and its like look at this to know which kind of column to make.
    environment["SPARK_CONNECT_MODE_ENABLED"] = "1"
    from daybook.spark.connect import application, attach

    session = attach(
        remote,
        (environment.get(SPARK_TOKEN_VARIABLE) or "").strip() or None,  # secrets often end in a newline
        user=environment.get(USER_VARIABLE),
        limit_seconds=limit_seconds,
        say=say,
    )
    for variable in (RUN_VARIABLE, NOTEBOOK_VARIABLE):
        if tag := environment.get(variable, "").replace(",", "-"):
            session.addTag(tag)
    if name != environment.get(NOTEBOOK_VARIABLE):
        session.addTag(name.replace(",", "-"))
    report(application(session, remote))
    _apply(session, settings)
    return session


def _existing(local: bool) -> Any:
    """The session that this process has already, of whichever kind; pyspark itself knows it."""
    connected = sys.modules.get("pyspark.sql.connect.session")
    session = connected and (connected.SparkSession.getActiveSession() or connected.SparkSession._get_default_session())
    if session and local:
        raise InvalidRequest(
            "this notebook is attached to a Spark Connect server already; for a local session call "
            "get_spark_session(local=True) first, or stop() the other"
        )
    classic = sys.modules.get("pyspark.sql.session")
    return session or (classic and classic.SparkSession.getActiveSession())


def _apply(session: Any, settings: Mapping[str, str]) -> None:
    from pyspark.errors import PySparkException

    faults = [
        Fault(name, "takes effect only when Spark starts; set it on the workspace's server, or use local=True first")
        for name in settings
        if name.startswith(_AT_START_ONLY)
    ]
    for name, value in () if faults else settings.items():
        try:
            session.conf.set(name, value)
        except PySparkException as error:
            faults.append(Fault(name, str(error).strip().splitlines()[0]))
    if faults:
        raise InvalidRequest("Spark settings that a session cannot change", faults)
