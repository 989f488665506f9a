"""The life of a session on a Connect server: kept while its notebook lives, ended with it, and with it all it runs."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlparse

import grpc

from daybook.contract.variables import SPARK_REMOTE_VARIABLE, SPARK_TOKEN_VARIABLE
from daybook.spark.asking import messages_of_connect

ALIVE_SECONDS = 300.0
"""Between two signs of life: a server ends sessions that it hears nothing of for half an hour (`defaults.yaml`)."""
DEFAULT_PORT = 15002
"""Spark Connect's own."""
RELEASE_SECONDS = 5.0
"""How long a server may take to end a session: a kernel that is told to stop has little more."""


def release(
    channel: grpc.Channel,
    metadata: Iterable[tuple[str, str]],
    session_id: str,
    user_id: str | None,
    seconds: float = RELEASE_SECONDS,
) -> bool:
    """Ends a session on its server, and the operations that it runs; one that is not there any more is fine, too.

    Args:
        channel: to the server.
        metadata: that goes with the call: the key.
        session_id: of the session.
        user_id: whose it is; a session is known by both.
        seconds: that the server may take.

    Returns:
        Whether the server has said so.
    """
    messages = messages_of_connect()
    request = messages.ReleaseSessionRequest(
        session_id=session_id, user_context=messages.UserContext(user_id=user_id or ""), client_type="daybook"
    )
    try:
        messages.SparkConnectServiceStub(channel).ReleaseSession(request, timeout=seconds, metadata=list(metadata))
    except grpc.RpcError:
        return False
    return True


def keep(session: Any, seconds: float = ALIVE_SECONDS) -> None:
    """Gives the server a sign of life now and then, for as long as the session and this process live."""

    from pyspark.errors import PySparkException

    def work() -> None:
        while not stop.wait(seconds) and not session.is_stopped:
            # Whoever uses the session next is told what is wrong with it, if anything is.
            with suppress(PySparkException, grpc.RpcError):
                session.client.get_configs("spark.app.id")

    stop = threading.Event()
    atexit.register(stop.set)
    threading.Thread(target=work, name="spark-sign-of-life", daemon=True).start()


class Sessions:
    """The sessions of a notebook on one server: what `get_spark_session` gave, and those made of it.

    Args:
        tell: takes `spark_session` and `spark_session_ended`.
    """

    def __init__(self, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._tell = tell
        self._met: dict[str, str | None] = {}

    def met(self, session_id: str, user_id: str | None) -> None:
        """Tells of it, if it is a new one: should this process be killed, the runner ends it."""
        if session_id not in self._met:
            self._met[session_id] = user_id
            self._say("spark_session", session_id=session_id, user_id=user_id)

    def end_with_process(self, session: Any, builder: Any) -> None:
        """Has them released when this process ends by itself, and that told: nobody else need do it then.

        Args:
            session: pyspark's, the first of them.
            builder: of its channel.
        """
        process = os.getpid()

        def end() -> None:
            if os.getpid() != process:
                return  # a fork of the notebook's process ends, not the notebook
            ended = [session.session_id] if session.is_stopped else []
            left = [each for each in self._met.items() if each[0] not in ended]
            if left:
                with builder.toChannel() as channel:
                    ended += [one for one, user in left if release(channel, builder.metadata(), one, user)]
            if not session.is_stopped:
                session.client.close()
            builder.close()
            for one in ended:
                self._say("spark_session_ended", session_id=one)

        atexit.register(end)

    def _say(self, kind: str, **more: str | None) -> None:
        with suppress(OSError):  # a full disk: the session itself is none the worse for it
            self._tell({"kind": kind, **more})


def release_all(sessions: Sequence[tuple[str, str | None]], environment: Mapping[str, str]) -> str:
    """Releases sessions whose process is gone, on the run's own server; says how that went.

    Args:
        sessions: ids, and whose they are.
        environment: has the server's address and key.
    """
    # Not by pyspark's client, which takes seconds to load where a run that was told to end has few.
    address = urlparse(f"http{environment[SPARK_REMOTE_VARIABLE].removeprefix('sc')}")
    parameters = dict(parse_qsl(address.params, separator=";"))
    key = (environment.get(SPARK_TOKEN_VARIABLE) or "").strip() or parameters.get("token")
    metadata = [("authorization", f"Bearer {key}")] if key else []
    target = address.netloc if address.port else f"{address.netloc}:{DEFAULT_PORT}"
    is_tls = parameters.get("use_ssl", "").lower() == "true"
    with (
        grpc.secure_channel(target, grpc.ssl_channel_credentials()) if is_tls else grpc.insecure_channel(target)
    ) as channel:
        ended = sum(release(channel, metadata, one, user) for one, user in sessions)
    if ended == len(sessions):
        return "what the notebook left running on its server is ended"
    return "the server did not answer; what the notebook left running ends by itself in some minutes"
