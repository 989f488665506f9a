"""An execution context: the remote namespace in which a notebook's cells run."""

from __future__ import annotations

import time
from contextlib import suppress

from databricks.sdk.core import DatabricksError
from databricks.sdk.errors import BadRequest, InternalError, NotFound, PermissionDenied, Unauthenticated
from databricks.sdk.service.compute import ContextStatus, Language

from daybook.databricks.cluster import Cluster
from daybook.databricks.connection import Connection, may_have_arrived
from daybook.databricks.errors import ContextLost, DatabricksFailed
from daybook.databricks.interruption import Interrupted, Interruption
from daybook.databricks.patience import Patience
from daybook.databricks.polling import next_wait
from daybook.databricks.refusals import FOREIGN, in_our_words
from daybook.databricks.settings import Limits

IDLE_SECONDS = 30.0
"""After so long a line at rest may have been cut, and the context lost: one question first, which may be repeated."""
UNANSWERED_SECONDS, UNANSWERED_TIMES = 10.0, 3
"""So long, and so often, must questions about a context alone fail before it counts as gone."""
_LOST = (
    "the execution context on cluster {cluster} is gone{why}: its variables are lost, and the cell was not run again"
)


class Context:
    """One context on one cluster."""

    def __init__(
        self, connection: Connection, cluster: Cluster, limits: Limits, interruption: Interruption, language: Language
    ) -> None:
        self.api = connection.client.command_execution
        self.clock = connection.clock
        self.host = connection.host
        self.cluster_id = connection.cluster_id
        self.limits = limits
        self.interruption = interruption
        self.language = language
        self.id = ""
        self.patience = Patience(limits, interruption)
        self._cluster = cluster
        self._touched = 0.0
        self._unanswered, self._unanswered_since = 0, 0.0

    def open(self) -> None:
        """Makes it, and waits until it can be used. The cluster must run.

        Raises:
            DatabricksFailed: it cannot be made, or not in time.
            Interrupted: somebody asked.
        """
        try:
            self.id = self.patience.answer(self._create, may_repeat=_was_not_made)
            self._wait_until_running()
        except FOREIGN as error:
            self.close()
            raise in_our_words(error, f"making a context on cluster {self.cluster_id}", self.host) from error
        except (DatabricksFailed, Interrupted):
            self.close()
            raise
        self.touched()

    def _create(self) -> str:
        with self.clock.once():
            return str(self.api.create(cluster_id=self.cluster_id, language=self.language).context_id)

    def _wait_until_running(self) -> None:
        began = time.monotonic()
        while (status := self.patience.answer(self._status)) is not ContextStatus.RUNNING:
            age = time.monotonic() - began
            if status is ContextStatus.ERROR or age > self.limits.context:
                how = "could not be made" if status is ContextStatus.ERROR else f"is not there after {age:.0f} s"
                raise DatabricksFailed(
                    f"a context on cluster {self.cluster_id} {how}; the driver may be overloaded: restart the "
                    "cluster, or raise context_seconds"
                )
            self.interruption.wait(next_wait(age, self.limits.longest_poll))

    def _status(self) -> ContextStatus | None:
        return self.api.context_status(self.cluster_id, self.id).status

    def submit(self, code: str) -> str:
        """Hands a command over; gives its id."""
        started = self.api.execute(cluster_id=self.cluster_id, context_id=self.id, language=self.language, command=code)
        return str(started.command_id)

    def touched(self) -> None:
        """It has just been talked to."""
        self._touched = time.monotonic()

    def check_idle(self) -> None:
        """After a rest, asks whether it is still there.

        Raises:
            ContextLost: it is not.
        """
        if time.monotonic() - self._touched > IDLE_SECONDS:
            self.raise_if_lost(None)

    def raise_if_lost(self, error: BaseException | None, *, certainly: bool = False) -> None:
        """Asks Databricks about the context itself; what a command printed or an error's words say does not matter.

        Args:
            error: what a call met, if any: only what Databricks answered can mean a lost context.
            certainly: asks again while Databricks fails to tell, for as long as that is no answer.

        Raises:
            ContextLost: it is gone.
        """
        if error is not None and (
            not isinstance(error, DatabricksError) or isinstance(error, (Unauthenticated, PermissionDenied))
        ):
            return
        why = self._why_lost()
        while certainly and why is None and self._unanswered:
            self.interruption.wait(UNANSWERED_SECONDS / UNANSWERED_TIMES)
            why = self._why_lost()
        if why is not None:
            raise ContextLost(_LOST.format(cluster=self.cluster_id, why=why))

    def _why_lost(self) -> str | None:
        try:
            status = self._status()
        except (NotFound, BadRequest):
            return self._cluster_says() or ""
        except FOREIGN as error:
            # Its own trouble, or how it answers for a context on a cluster that is no more.
            return self._cluster_says() or self._still_unanswered(error)
        self._unanswered_since, self._unanswered = 0.0, 0
        return " (it says: error)" if status is ContextStatus.ERROR else None

    def _still_unanswered(self, error: BaseException) -> str | None:
        """Databricks answers for the cluster, and again and again not for the context: then it has none."""
        if not isinstance(error, DatabricksError):
            return None
        self._unanswered += 1
        self._unanswered_since = self._unanswered_since or time.monotonic()
        if self._unanswered < UNANSWERED_TIMES or time.monotonic() - self._unanswered_since < UNANSWERED_SECONDS:
            return None
        return " (Databricks does not answer for it)"

    def _cluster_says(self) -> str | None:
        with suppress(DatabricksFailed):
            details = self._cluster.details()
            if not Cluster.is_usable(details):
                state = details.state.value if details.state else "unknown"
                return f" (the cluster is {state})"
        return None

    def close(self) -> None:
        """Ends it, as far as Databricks can be asked; calling it again is fine."""
        given, self.id = self.id, ""
        if given:
            with suppress(*FOREIGN):
                self.api.destroy(self.cluster_id, given)


def _was_not_made(error: Exception) -> bool:
    """Whether another context may be asked for: one whose id never arrived would be left behind.

    Databricks' own failure (500) counts as an answer: so may a driver that is just coming up say that it is not ready.
    """
    return isinstance(error, InternalError) or not may_have_arrived(error)
