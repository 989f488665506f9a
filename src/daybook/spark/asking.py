"""A query to a Spark Connect server by bare gRPC: for whoever only wants to know whether it answers.

pyspark's own client loads pandas and pyarrow, 130 MB and two seconds; the messages alone are a quarter of it. That
counts for a supervisor, which lives as long as its server.
"""

from __future__ import annotations

import sys
import types
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from daybook.spark.process import spark_home

_COMPUTED = "SELECT 1"
"""Executed by a task, for which a processor has to be free, or an executor to be there."""
_PLANNED = "VALUES (1)"
"""Parsed, planned and answered by the server itself, however long the tasks are that hold all its processors."""
USER = "daybook-health"
"""Whom Spark notes as the user of these queries."""
_SESSION_LOST = "INVALID_HANDLE."
"""Begins what Spark says where it does not know a session, or not any more."""


class NoAnswer(Exception):
    """The server did not answer the query as it should; the text says how, in a line."""


class Asking:
    """Asks one server the same small query again and again, each time over a connection of its own, in one session.

    In one, for Spark's pages remember the last 200 sessions: with one for each question they would show no other.

    Args:
        address: `host:port`.
        key: the pre-shared key.
    """

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._session = str(uuid.uuid4())
        self.sessions = 0
        """Its own that are open on the server, as far as is known."""
        self._metadata = (("authorization", f"Bearer {key}"),)

    def ask(self, seconds: float, *, computed: bool = False) -> None:
        """Returns once the server has answered a real query: parsed, planned, its result sent.

        The connection is closed then. A session that the server has given up makes one answer missed; the next
        question is asked in a new one.

        Args:
            seconds: how long it may take.
            computed: whether a task has to compute it, for which others' tasks may leave no room for hours.

        Raises:
            NoAnswer: it did not within so many seconds, or refused.
        """
        import grpc

        messages = messages_of_connect()
        plan = _plan(messages, self._session, _COMPUTED if computed else _PLANNED)
        with grpc.insecure_channel(self._address) as channel:
            try:
                stub = messages.SparkConnectServiceStub(channel)
                for _ in stub.ExecutePlan(plan, timeout=seconds, metadata=self._metadata):
                    pass
            except grpc.RpcError as error:
                said = _said(error)
                if _SESSION_LOST in said:
                    self._session, self.sessions = str(uuid.uuid4()), 0
                raise NoAnswer(said) from error
        self.sessions = 1


def _plan(messages: Any, session: str, query: str) -> Any:
    return messages.ExecutePlanRequest(
        session_id=session,
        user_context=messages.UserContext(user_id=USER, user_name=USER),
        client_type="daybook",
        plan=messages.Plan(root=messages.Relation(sql=messages.SQL(query=query))),
    )


def _said(error: Any) -> str:
    code = error.code().name if hasattr(error, "code") else "error"
    detail = (error.details() if hasattr(error, "details") else None) or str(error)
    return f"{code}: {detail.strip().splitlines()[0] if detail.strip() else 'no reason given'}"


def messages_of_connect() -> Any:
    """pyspark's generated messages, without pyspark itself."""
    if "pyspark" in sys.modules:
        return import_module("pyspark.sql.connect.proto")
    with _bare_packages():
        return import_module("pyspark.sql.connect.proto")


@contextmanager
def _bare_packages() -> Iterator[None]:
    """Packages of these names that load nothing by themselves, for as long as what lies in them is imported."""
    home = spark_home()
    names = ("pyspark", "pyspark.sql", "pyspark.sql.connect")
    for name in names:
        package = types.ModuleType(name)
        package.__path__ = [str(home.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
