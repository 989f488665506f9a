"""The cluster: running, or started and waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.compute import ClusterDetails, ClusterSource, State

from daybook.databricks.connection import Connection
from daybook.databricks.errors import ClusterUnavailable, DatabricksFailed, DatabricksRefused
from daybook.databricks.interruption import Interruption
from daybook.databricks.patience import Patience
from daybook.databricks.polling import next_wait
from daybook.databricks.refusals import FOREIGN, in_our_words, passing
from daybook.databricks.settings import Limits

_USABLE = frozenset({State.RUNNING, State.RESIZING})
START_TRIES = 5
AGAIN_SECONDS = 1.0
"""A start that is refused may be somebody else's at the same moment; then the cluster is looked at again."""
_ON_ITS_WAY = frozenset({State.PENDING, State.RESTARTING, State.TERMINATING})


class Cluster:
    """One cluster of the workspace."""

    def __init__(self, connection: Connection, limits: Limits, interruption: Interruption) -> None:
        self._connection = connection
        self._api = connection.client.clusters
        self._limits = limits
        self._interruption = interruption
        self._patience = Patience(limits, interruption)
        self.id = connection.cluster_id

    def details(self, *, patiently: bool = False) -> ClusterDetails:
        """What Databricks says of it.

        Args:
            patiently: asks again where the trouble may pass.

        Raises:
            DatabricksRefused: it is unknown, or the caller may not see it.
            DatabricksFailed: Databricks cannot be asked.
        """
        ask = partial(self._api.get, self.id)
        try:
            return self._patience.answer(ask) if patiently else ask()
        except (NotFound, BadRequest) as error:
            raise DatabricksRefused(
                f"cluster {self.id} is not known in {self._connection.host}; check DATABRICKS_CLUSTER_ID: it is the id "
                "of an all-purpose cluster, not its name, a SQL warehouse or serverless compute"
            ) from error
        except FOREIGN as error:
            raise in_our_words(error, f"asking for cluster {self.id}", self._connection.host) from error

    @staticmethod
    def is_usable(details: ClusterDetails) -> bool:
        """Whether contexts can be made on it."""
        return details.state in _USABLE

    def ensure_running(self, progress: Callable[[str], None]) -> ClusterDetails:
        """Starts it where it is stopped, and waits.

        Args:
            progress: told what is being waited for, time and again.

        Raises:
            ClusterUnavailable: it does not start, or not in time.
            DatabricksRefused: it is unknown, or the caller may not start it.
            Interrupted: nobody wants to wait any more; the cluster goes on starting.
        """
        began, started = time.monotonic(), False
        while not self.is_usable(details := self.details(patiently=True)):
            if details.state not in _ON_ITS_WAY:
                if started or details.state is not State.TERMINATED:
                    raise ClusterUnavailable(self._why_not(details))
                self._start(details)
                started = True
                continue
            waited = time.monotonic() - began
            if waited > self._limits.cluster_start:
                raise ClusterUnavailable(
                    f"cluster {self.id} is still {_state(details)} after {waited:.0f} s; wait for it in Databricks, or "
                    "raise cluster_start_seconds"
                )
            progress(f"Cluster {self.id} is {_state(details)}: {waited:.0f} s{_aside(details.state_message)}")
            self._interruption.wait(next_wait(waited, self._limits.longest_poll))
        return details

    def _start(self, details: ClusterDetails) -> None:
        """Starts it, unless somebody else does so meanwhile."""
        if details.cluster_source is ClusterSource.JOB:
            raise ClusterUnavailable(f"cluster {self.id} belongs to a job and ended with it; name one for all purposes")
        began, refused = time.monotonic(), 0
        while details.state is State.TERMINATED:
            try:
                self._api.start(self.id)
            except BadRequest as error:
                refused += 1
                if refused == START_TRIES:
                    raise self._not_started(error) from error
            except FOREIGN as error:
                if not passing(error) or time.monotonic() - began > self._limits.unreachable:
                    raise self._not_started(error) from error
            else:
                return
            self._interruption.wait(AGAIN_SECONDS)
            details = self.details(patiently=True)

    def _not_started(self, error: Exception) -> DatabricksFailed:
        return in_our_words(error, f"starting cluster {self.id}", self._connection.host)

    def _why_not(self, details: ClusterDetails) -> str:
        reason = details.termination_reason
        code = reason.code.value if reason and reason.code else None
        because = f" ({code})" if code else ""
        return (
            f"cluster {self.id} did not start: it is {_state(details)}{because}{_aside(details.state_message)}; its "
            "event log in Databricks tells more"
        )


def _state(details: ClusterDetails) -> str:
    return details.state.value if details.state else "in a state that is not known"


def _aside(message: str | None) -> str:
    return f" ({message})" if message else ""
