"""What the kernel does beside running cells, for a run of Daybook: says what a record should know of the cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daybook.contract.errors import DaybookError
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.in_run.telling import Telling

if TYPE_CHECKING:
    from daybook.databricks.facts import Facts
    from daybook.databricks.session import Session

END_SECONDS = 3.0
"""For what is put in order at the end, where nobody says how long it may take: Jupyter kills a kernel after 5 s."""
END_OF_RUN_SECONDS = 10.0
"""The same in a run of Daybook, which has outputs to fetch; a pod that is ended has about 30 s."""
SECONDS_LEFT = "daybook_seconds"
"""In a request to shut down: how long that may take; `daybook.runner` sends it."""


class Reporter:
    """Tells the runner of the cluster, of each cell's command and of what fails around cells.

    Attributes:
        companion: goes along with the notebook to its cluster.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Tells nothing yet.

        Args:
            environment: the kernel's own.
        """
        self._telling = Telling(environment)
        self.companion = Companion(environment, self._telling)
        self._facts: Facts | None = None
        self._place: tuple[str, str] | None = None

    @contextmanager
    def cell(self, execution_count: int, session: Callable[[], Session | None]) -> Iterator[None]:
        """While a cell runs; what comes of it is told at its end.

        Args:
            execution_count: the cell's.
            session: the one that runs it, as soon as there is one.
        """
        before = session()
        told = len(before.commands) if before is not None else 0
        try:
            yield
        except DaybookError as error:
            self._telling.failure(execution_count, error)
            raise
        finally:
            now = session()
            if now is not None:
                self._tell(now, execution_count, now.commands[told:])

    def _tell(self, session: Session, execution_count: int, commands: list[str]) -> None:
        if self._place != session.place:
            self._place = session.place
            self._telling.cluster(*session.place)
        facts = session.facts
        if facts is not None and facts != self._facts:
            self._facts = facts
            known = {"context_id": facts.context_id, "runtime_version": facts.runtime or None}
            self._telling.cluster(facts.host, facts.cluster_id, **known, spark_version=facts.spark)
        for command in filter(None, commands):
            self._telling.command(execution_count, command)


def seconds_in(content: Mapping[str, Any], otherwise: float) -> float:
    """How long a request to shut down leaves."""
    seconds = content.get(SECONDS_LEFT)
    return float(seconds) if isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0 else otherwise
