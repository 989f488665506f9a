"""Attaching to a Spark Connect server: the channel with its pre-shared key, and readiness that is a real answer."""

from __future__ import annotations

import copy
import re
import socket
import weakref
from collections.abc import Callable
from typing import Any

import grpc
from pyspark.errors import PySparkException
from pyspark.sql.connect.client.core import ChannelBuilder, DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession

from daybook.contract.errors import Fault, InfrastructureFailed, InvalidRequest

QUIET_SECONDS = 2.0
"""A wait shorter than this is not worth a word to the person who waits."""

RECONNECT_MILLISECONDS = 500
"""How long gRPC pauses at most between tries to connect; its own two minutes would outsleep a server's start."""

LONGEST_RETRY_MILLISECONDS = 10_000
"""Between two tries of a query whose server does not answer. There are 15, two minutes in all: by then the server has
given its session up as well. pyspark's own are ten minutes, for a session that is lost all the same."""
_ANSWER_SECONDS = 2.0


class SparkUnavailable(InfrastructureFailed):
    """The Spark Connect server cannot be reached, is not ready in time, or refuses this run."""


class SparkSessionLost(InfrastructureFailed):
    """The server has closed the notebook's session, or was replaced: views, caches and settings are gone with it."""


class KeyedChannelBuilder(DefaultChannelBuilder):  # type: ignore[misc]  # pyspark is not checked
    """A channel that sends the pre-shared key as the server expects it, also without TLS.

    pyspark's own builder insists on TLS for every host but `localhost`, while the server itself speaks none: it is
    meant for loopback and for networks where only the workspace's pods reach it.
    """

    def __init__(self, remote: str, token: str | None, user: str | None) -> None:
        self._key = token
        self._standing: Any = None
        self._channels: weakref.WeakSet[Any] = weakref.WeakSet()  # also of this builder's copies
        try:
            super().__init__(remote, channelOptions=[("grpc.max_reconnect_backoff_ms", RECONNECT_MILLISECONDS)])
        except (PySparkException, ValueError) as error:
            fault = Fault(without_token(remote), first_line(error))
            raise InvalidRequest("not an address of a Spark Connect server", [fault]) from error
        if user and not self.userId:
            self.set("user_id", user)

    def __deepcopy__(self, memo: object) -> KeyedChannelBuilder:
        """For pyspark's `newSession()` and `cloneSession()`: who follows this builder's sessions follows those, too."""
        other = copy.copy(self)
        other._params, other._channel_options = dict(self._params), list(self._channel_options)
        other._standing = None
        return other

    @property
    def token(self) -> str | None:
        """None for a key of ours, since it travels as metadata; else the one in the address.

        pyspark's own takes the environment's as well, which is the workspace's and for its server alone.
        """
        return None if self._key else self._params.get(ChannelBuilder.PARAM_TOKEN)

    @property
    def where(self) -> str:
        """The address as it may be shown and kept."""
        return f"sc://{self.endpoint}"

    def keep(self, channel: Any) -> None:
        """Has the next one who wants a channel get this one, which stands already."""
        self._standing = channel

    def toChannel(self) -> Any:
        """A channel to the server."""
        standing, self._standing = self._standing, None
        if standing is not None:
            return standing
        made = super().toChannel()
        self._channels.add(made)
        return made

    def close(self) -> None:
        """Closes all channels, those of copies, too: a process does not end while gRPC has one open."""
        for channel in list(self._channels):
            channel.close()

    def metadata(self) -> Any:
        """What goes with every call."""
        keyed = [("authorization", f"Bearer {self._key}")] if self._key else []
        return [*super().metadata(), *keyed]


def attach(builder: KeyedChannelBuilder, *, limit_seconds: float, say: Callable[[str], None]) -> SparkSession:
    """A new session of one's own on a server, once the server answers.

    Args:
        builder: of channels to the server.
        limit_seconds: how long to wait for the server.
        say: told what is being waited for, when it takes long enough to wonder.

    Raises:
        SparkUnavailable: the server cannot be reached in time, or refuses the key.
    """
    _wait_for_channel(builder, limit_seconds, say)
    # Not the builder's `getOrCreate`, nor anybody's session but one that is made here.
    session = SparkSession.builder.channelBuilder(builder).create()
    try:
        # The channel stands, so what fails now is an answer, not the weather: no minutes of retries.
        session.client.set_retry_policies([])
        session.version  # noqa: B018 - a property that asks the server
    except (PySparkException, grpc.RpcError) as error:
        session.release_session_on_close = False
        session.stop()  # which has pyspark forget it, too
        raise SparkUnavailable(_refusal(builder.where, error)) from error
    session.client.set_retry_policies(_patience())
    return session


def _patience() -> list[DefaultPolicy]:
    return [DefaultPolicy(max_backoff=LONGEST_RETRY_MILLISECONDS)]


def _wait_for_channel(builder: KeyedChannelBuilder, limit_seconds: float, say: Callable[[str], None]) -> None:
    channel = builder.toChannel()
    ready = grpc.channel_ready_future(channel)
    where = builder.where
    try:
        ready.result(min(QUIET_SECONDS, limit_seconds))
    except grpc.FutureTimeoutError:
        say(f"Waiting up to {limit_seconds:.0f} s for the Spark Connect server at {where}: {_why_not(builder)}")
        try:
            ready.result(max(0.0, limit_seconds - QUIET_SECONDS))
        except grpc.FutureTimeoutError as error:
            channel.close()
            raise SparkUnavailable(
                f"the Spark Connect server at {where} did not answer within {limit_seconds:.0f} s: "
                f"{_why_not(builder)}; see whether it runs (`daybook spark status`), or use "
                "get_spark_session(local=True)"
            ) from error
    finally:
        ready.cancel()
        # Not closed here: gRPC looks at it for another fifth of a second, and would have us wait for that.
        builder.keep(channel)


def _why_not(builder: KeyedChannelBuilder) -> str:
    """Why the server does not answer, as far as a plain connection tells; gRPC does not."""
    host, _, port = builder.endpoint.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS):
            return "something listens there, but it is no Spark Connect server that is ready"
    except socket.gaierror:
        return f"there is no {host} yet"
    except ConnectionRefusedError:
        return "nothing listens there yet"
    except TimeoutError:
        return "nothing answers there; a network policy may be in the way"
    except OSError as error:
        return str(error.strerror or error)


def require_alive(session: SparkSession) -> None:
    """Lets a session pass that its server knows.

    Raises:
        SparkSessionLost: it does not, or not any more.
        SparkUnavailable: it does not answer.
    """
    if session.is_stopped:
        raise SparkSessionLost(_LOST.format("its server was replaced"))
    # They stay off where it does not answer, so that `stop()` does not take two minutes more.
    session.client.set_retry_policies([])
    try:
        session.client.get_configs("spark.app.id")
    except (PySparkException, grpc.RpcError) as error:
        if session.is_stopped or "INVALID_HANDLE." in str(error):
            raise SparkSessionLost(_LOST.format(first_line(error))) from error
        builder = session.client._builder  # not ours where the notebook made the session itself
        raise SparkUnavailable(_refusal(getattr(builder, "where", builder.host), error)) from error
    session.client.set_retry_policies(_patience())


_LOST = (
    "the Spark session of this notebook is lost ({}). A new one would lack its temporary views, caches and settings, "
    "so none is made by itself: run the notebook again, or call stop() on the session and get_spark_session() anew"
)


def _refusal(where: str, error: Exception) -> str:
    if "UNAUTHENTICATED" in str(error):
        return f"the Spark Connect server at {where} refuses the key of this run; ask the workspace's operator"
    return f"the Spark Connect server at {where} gave no usable answer: {first_line(error)}"


def first_line(error: BaseException) -> str:
    """The first line of an error's text; of gRPC's own, a page that begins with the name of a class, its details."""
    text = str(error).strip() or type(error).__name__
    details = re.search(r'^\s*details = "(.+)"$', text, re.MULTILINE)
    return details[1] if details is not None and text.startswith("<") else text.splitlines()[0]


def without_token(remote: str) -> str:
    """An address as it may be shown and kept: host and port, without parameters."""
    return remote.split("/;", 1)[0].split(";", 1)[0].rstrip("/")


def application(session: SparkSession, where: str) -> dict[str, str | None]:
    """The Spark application behind a session, for the record: address, id, version, pages."""
    asked = (("spark.app.id", None), ("spark.daybook.ui", None))
    application_id, ui = session.client.get_config_with_defaults(*asked)
    return {"remote": where, "application_id": application_id, "version": session.version, "ui": ui}


def check(remote: str, token: str | None, *, limit_seconds: float, say: Callable[[str], None]) -> dict[str, str | None]:
    """Waits until a server answers a real query, and tells the application behind it.

    Raises:
        SparkUnavailable: it did not in time, or it refuses the key.
    """
    builder = KeyedChannelBuilder(remote, token, user="daybook-check")
    session = attach(builder, limit_seconds=limit_seconds, say=say)
    try:
        session.sql("SELECT 1").collect()
        return application(session, builder.where)
    except (PySparkException, grpc.RpcError) as error:
        raise SparkUnavailable(_refusal(builder.where, error)) from error
    finally:
        session.stop()
