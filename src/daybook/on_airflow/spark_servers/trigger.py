"""Waits in the triggerer for a Spark server to answer, so that a run which needs it holds no worker slot meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import aiohttp
from airflow.triggers.base import TriggerEvent
from kubernetes_asyncio.client.exceptions import ApiException

from daybook.contract.errors import DaybookError
from daybook.on_airflow.patience import Connection, PatientHook
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import note_message
from daybook.on_airflow.trigger import PodlessTrigger
from daybook.pods import is_stuck
from daybook.pods.spark import Ended, Starts, look_at

ENDS = "an earlier one ends"
LOOK_SECONDS = 1.0
"""Between two looks at the server's pod."""

_NOT_FOUND = 404
log = logging.getLogger(__name__)


class SparkTrigger(PodlessTrigger):
    """Waits until a server answers, or never will.

    Args:
        run: the `RunReference` of the attempt, which has no pod yet.
        server: the server's pod: `name`, `namespace`, `uid`, and how long it may take, `start_seconds`.
        connection: the fields of a `Connection`.
    """

    def __init__(self, run: dict[str, Any], server: dict[str, Any], connection: dict[str, Any]) -> None:
        super().__init__(run, server["namespace"], connection)
        self.server = server
        self._ends = False

    @classmethod
    def of(cls, run: dict[str, Any], server: dict[str, Any], connection: Connection) -> SparkTrigger:
        """The trigger of a run that waits for a server."""
        return cls(run, server, asdict(connection))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, for the triggerer's database."""
        arguments = {"run": self.run_reference, "server": self.server, "connection": self.connection}
        return f"{__name__}.{type(self).__name__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, when the server answers or is known not to."""
        hook = Connection(**self.connection).hook()
        why: str | None = None
        while True:
            found = await self._looked(hook)
            if not isinstance(found, Starts):
                break
            if found.why != why:
                why = found.why
                log.info("Waiting for Spark server %s: %s", self.server["name"], why)
                await asyncio.to_thread(self._note, why)
            await asyncio.sleep(LOOK_SECONDS)
        event = {"daybook": self.run_reference, "spark": {"uid": self.server["uid"], "why": _why(found)}}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call] # Airflow's own

    def _note(self, why: str) -> None:
        """Says in the record what the run waits for, which its people look at."""
        try:
            reference = RunReference.from_json(self.run_reference)
            _, record = reference.resolve()
            note_message(record, reference.attempt, waits_for(self.server["name"], why))
        except DaybookError as error:
            log.warning("What is waited for is not in the record: %s", error)

    async def _looked(self, hook: PatientHook) -> Any:
        try:
            pod = await hook.get_pod(name=self.server["name"], namespace=self.server["namespace"])
        except (ApiException, aiohttp.ClientError, OSError) as error:  # the hook has been patient with what passes
            gone = isinstance(error, ApiException) and error.status == _NOT_FOUND
            if gone and self._ends:
                return Ended("it has ended", failed=False)
            return Ended("its pod is gone" if gone else f"Kubernetes does not tell of its pod: {error}", failed=True)
        if pod.metadata.uid != self.server["uid"]:
            return Ended("its pod is gone, and another one has its name", failed=False)
        now = datetime.now(UTC)
        if pod.metadata.deletion_timestamp is not None and not is_stuck(pod, now):
            self._ends = True  # another one can have its name when it is gone, or has no node that will say so
            return Starts(ENDS)
        return look_at(pod, self.server["start_seconds"], now)


def waits_for(server: str, why: str) -> str:
    """What the record of a run that waits for a server says."""
    return f"waits for Spark server {server}: {why}"


def _why(found: Any) -> str | None:
    return found.why if isinstance(found, Ended) and found.failed else None
