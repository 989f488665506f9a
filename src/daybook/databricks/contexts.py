"""The contexts of one notebook: Python's, and one for each other language; each is lost for itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from databricks.sdk.service.compute import Language

from daybook.databricks.cells import Kind
from daybook.databricks.cluster import Cluster
from daybook.databricks.connection import Connection
from daybook.databricks.context import Context
from daybook.databricks.errors import ContextLost, PythonRestarted
from daybook.databricks.interruption import Interruption
from daybook.databricks.model import Remote
from daybook.databricks.output import Output
from daybook.databricks.remote import InContext
from daybook.databricks.results import stream
from daybook.databricks.settings import Limits

GONE_AGAIN = "the notebook's variables were lost with its context, in an earlier cell; run it from its start"
GONE = "The variables are gone: this cell begins without them. Run the cells that it builds on again.\n"


class Contexts:
    """Opens contexts when they are wanted, and knows which were lost."""

    def __init__(self, connection: Connection, cluster: Cluster, limits: Limits, interruption: Interruption) -> None:
        """Opens none yet."""
        self._connection, self._cluster = connection, cluster
        self._limits, self._interruption = limits, interruption
        self._open: dict[Kind, Context] = {}
        self._lost: set[Kind] = set()

    def __contains__(self, kind: Kind) -> bool:
        return kind in self._open

    def __getitem__(self, kind: Kind) -> Context:
        """The context for cells of a kind; a new one, where there is none.

        Raises:
            DatabricksFailed: it cannot be made.
            Interrupted: somebody asked.
        """
        if kind not in self._open:
            self._open[kind] = self._new(kind)
        return self._open[kind]

    def check(self, kind: Kind, output: Output, batch: bool) -> None:
        """Before a cell of a kind: tells that what it builds on is gone.

        Raises:
            ContextLost: nobody watches.
        """
        # Python's is the notebook's own: its files and its helpers are there, whatever the cell's language.
        lost = self._lost & {kind, Kind.PYTHON}
        if not lost:
            return
        if batch:
            raise ContextLost(GONE_AGAIN)
        output.show(stream(GONE, "stderr"))
        self._lost -= lost

    @contextmanager
    def losing(self, kind: Kind) -> Iterator[None]:
        """While a context is used: what it loses is lost for it alone, and it is not used any more."""
        try:
            yield
        except PythonRestarted:
            self.lose_variables(kind)  # packages and files, which are in the context, are there still
            raise
        except ContextLost:
            self.lose_variables(kind)
            self.drop(kind)
            raise

    def lose_variables(self, kind: Kind) -> None:
        """They are gone; the next cell that could want them is told, or fails."""
        self._lost.add(kind)

    def drop(self, kind: Kind) -> None:
        """Ends one, if it is there."""
        if kind in self._open:
            self._open.pop(kind).close()

    @contextmanager
    def another(self) -> Iterator[Remote]:
        """Another one for Python, for what the notebook's own cannot be asked any more."""
        context = self._new(Kind.PYTHON)
        try:
            yield InContext(context)
        finally:
            context.close()

    def close(self) -> None:
        """Ends them all; calling it again is fine."""
        for kind in list(self._open):
            self.drop(kind)

    def _new(self, kind: Kind) -> Context:
        context = Context(self._connection, self._cluster, self._limits, self._interruption, Language(kind.value))
        context.open()
        return context
