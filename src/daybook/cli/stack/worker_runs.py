"""The runners of notebooks that execute in the worker: descendants of Airflow's processes that end in their own way."""

from __future__ import annotations

from contextlib import suppress

import psutil

from daybook.cli.stack.processes import marked
from daybook.cli.stack.project import Project
from daybook.contract.variables import ATTEMPT_VARIABLE


def worker_run_processes(project: Project) -> dict[int, psutil.Process]:
    """Runners, kernels and what those started, by pid."""
    return {each.pid: each for each in marked(project.state) if _is_of_attempt(each)}


def runners(found: dict[int, psutil.Process]) -> list[psutil.Process]:
    """Those of the processes that are runners: the others are their descendants, which they end themselves."""
    return [each for each in found.values() if _parent(each) not in found]


def _is_of_attempt(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return ATTEMPT_VARIABLE in process.environ()
    return False


def _parent(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.ppid()
    return 0
