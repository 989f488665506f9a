"""The Spark session that a notebook gets: attached to the Connect server given to the run, else a local one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from difflib import get_close_matches
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.variables import SPARK_REMOTE_VARIABLE, SPARK_TOKEN_VARIABLE, USER_VARIABLE
from daybook.spark.asked import (
    READY_LIMIT_SECONDS,
    Asked,
    call_settings,
    restore_server,
    session_settings,
    tags_of,
)

__all__ = ["READY_LIMIT_SECONDS", "Asked", "get_spark_session"]

Tell = Callable[[Mapping[str, Any]], None]
_MISTYPED = 0.94
"""So alike are names that differ by a letter or two."""
_ONE_AT_A_TIME = threading.RLock()
"""Threads that ask at the same time get one session: it is this process's, as pyspark's own are."""


def get_spark_session(
    asked: Asked, environment: MutableMapping[str, str], tell: Tell, say: Callable[[str], None]
) -> Any:
    """The notebook's one session; asked for again, the same one, with the settings applied to it.

    Args:
        asked: what the call asks for.
        environment: this process's own, since pyspark reads and changes it.
        tell: takes, for the run's record, the Spark application, the session and what runs in it.
        say: told what is being waited for.

    Raises:
        InvalidRequest: something cannot be as it is asked for; every fault is named.
        SparkSessionLost: the session that there was is gone; there is no new one in its place.
        SparkUnavailable: the server cannot be reached, or refuses the run.
        UnusableJava: there is no server and no Java to start Spark with.
    """
    with _ONE_AT_A_TIME:
        return _got(asked, environment, tell, say)


def _got(asked: Asked, environment: MutableMapping[str, str], tell: Tell, say: Callable[[str], None]) -> Any:
    address = asked.address(environment)
    existing = _existing(asked)
    starts_spark = existing is None and address is None
    asked.require(environment, starts_spark=starts_spark, has_pools=starts_spark or hasattr(existing, "_jsc"))
    if existing is not None:
        return _again(existing, asked, environment)
    if address is not None:
        return _attached(address, asked, environment, tell, say)
    from daybook.spark.local import start_local

    session = start_local(asked, environment, say)
    context = session.sparkContext
    tell(
        {
            "kind": "spark",
            "application_id": context.applicationId,
            "version": session.version,
            "remote": None,
            "ui": context.uiWebUrl,
        }
    )
    return session


def _attached(
    address: str, asked: Asked, environment: MutableMapping[str, str], tell: Tell, say: Callable[[str], None]
) -> Any:
    settings = session_settings(asked, environment)
    restore_server(environment)
    # pyspark.sql.functions and its like look at this to know which kind of column to make.
    environment["SPARK_CONNECT_MODE_ENABLED"] = "1"
    from daybook.spark.bar import Bar, NotebookDisplay
    from daybook.spark.connect import KeyedChannelBuilder, application, attach
    from daybook.spark.lifetime import Sessions, keep
    from daybook.spark.operations import OperationWatch
    from daybook.spark.telling import Several, Telling

    is_ours = address == environment.get(SPARK_REMOTE_VARIABLE)
    # Secrets often end in a newline. The run's key is for its own server, never for another one.
    key = (environment.get(SPARK_TOKEN_VARIABLE) or "").strip() if is_ours else None
    builder = KeyedChannelBuilder(address, key or None, environment.get(USER_VARIABLE))
    tags = tags_of(asked, environment)
    # Of sessions on another server the runner is not told: it knows no key to end them with.
    sessions = Sessions(tell if is_ours else lambda _: None)
    builder.add_interceptor(OperationWatch(tags, Several([Telling(tell), Bar(NotebookDisplay())]), sessions.met))
    session = attach(builder, limit_seconds=asked.ready_seconds, say=say)
    sessions.met(session.session_id, session.client._user_id)
    sessions.end_with_process(session, builder)
    try:
        _require_known(session, asked.settings)
        _apply(session, {"spark.app.name": asked.name(environment), **settings}, optional={"spark.app.name"})
    except InvalidRequest:
        session.stop()
        raise
    for tag in tags:
        session.addTag(tag)
    keep(session)
    tell({"kind": "spark", **application(session, builder.where)})
    return session


def _again(session: Any, asked: Asked, environment: Mapping[str, str]) -> Any:
    """The session that there is, with what the call asks for."""
    _require_known(session, asked.settings)
    _apply(session, call_settings(asked))
    if hasattr(session, "_jsc"):
        from daybook.spark.local import mark

        mark(session, asked, environment)
    return session


def _existing(asked: Asked) -> Any:
    """The session that this process has already, of whichever kind; pyspark itself knows it."""
    connected = _connected()
    if connected is not None:
        if asked.local:
            raise InvalidRequest(
                "this notebook is attached to a Spark Connect server already; for a local session call "
                "get_spark_session(local=True) first, or stop() the other"
            )
        return connected
    classic = sys.modules.get("pyspark.sql.session")
    # Not the active one, which is a thread's.
    found = classic and classic.SparkSession._instantiatedSession
    if found is None or found._sc._jsc is None:  # it was stopped
        return None
    if found and asked.remote is not None:
        raise InvalidRequest("this notebook has a Spark of its own already; stop() it before you attach to another")
    return found


def _connected() -> Any:
    """The session on a server, if there is one; lost ones are not forgotten, for a new one would lack what they had.

    Raises:
        SparkSessionLost: the server does not know it any more.
        SparkUnavailable: the server does not answer.
    """
    module = sys.modules.get("pyspark.sql.connect.session")
    if module is None:
        return None
    # Only `stop()` takes a session out of here.
    session = module.SparkSession._default_session
    if session is None:
        return None
    from daybook.spark.connect import require_alive

    require_alive(session)
    return session


def _require_known(session: Any, names: Iterable[str]) -> None:
    """Lets names pass that Spark knows, and those that are unlike any of them: extensions have settings of their own.

    Spark itself takes every name, so one that was mistyped would have no effect and nobody would say so.

    Raises:
        InvalidRequest: some are most likely mistyped; every one is named, and what it is like.
    """
    unknown = [name for name in names if not session.conf.isModifiable(name)]
    known = [row.key for row in session.sql("SET -v").collect()] if unknown else []
    likely = {name: get_close_matches(name, known, 1, _MISTYPED) for name in unknown if name not in known}
    faults = [
        Fault(name, f"Spark has no such setting; did you mean {like[0]}?") for name, like in likely.items() if like
    ]
    if faults:
        raise InvalidRequest("this Spark session cannot be had", faults)


def _apply(session: Any, settings: Mapping[str, str], optional: Collection[str] = ()) -> None:
    """Sets all at once; where some cannot be, one by one, so that each is named."""
    from pyspark.errors import PySparkException

    if not settings:
        return
    if hasattr(session.conf, "_set_all"):
        try:
            session.conf._set_all(dict(settings), silent=False)
        except PySparkException:
            pass
        else:
            return
    faults = []
    for name, value in settings.items():
        try:
            session.conf.set(name, value)
        except PySparkException as error:
            if name not in optional:
                faults.append(Fault(name, str(error).strip().splitlines()[0]))
    if faults:
        raise InvalidRequest("Spark settings that a session cannot change", faults)
