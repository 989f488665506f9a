"""The links on a task: the run's page, its executed notebook, its log."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseOperatorLink


class _RunLink(BaseOperatorLink):
    """A link below the run's page; empty while the task does not know its run yet."""

    path: ClassVar[str] = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """The link, as Airflow keeps it when the task defers and when it ends."""
        page = getattr(operator, "run_page", None)
        return f"{page}{self.path}" if page else ""


class RunLink(_RunLink):
    """The page of the run."""

    name = "Run"


class NotebookLink(_RunLink):
    """The executed notebook, rendered."""

    name = "Executed notebook"
    path = "/notebook"


class LogLink(_RunLink):
    """The runner's log."""

    name = "Run log"
    path = "/log"
