"""Loads what every task of Daybook's DAGs needs once, in the processes that fork one child for each task or parse.

The Kubernetes clients alone are 1,700 modules: about 3 s of one core, paid at each task start and, where a task defers,
again when it comes back; and at each parse of the DAG file. A child forked from a process that has them pays nothing.
Airflow reads `airflow_local_settings.py` at start-up, before it forks; two lines in it call this:

    import sys
    from daybook.on_airflow.preload import preload; preload(sys.argv)
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

FORKING_COMPONENTS = frozenset({"scheduler", "dag-processor"})
"""`airflow scheduler` forks LocalExecutor's workers, `airflow dag-processor` a child for each parse."""

_NEEDED = "daybook.on_airflow.dags"


def preload(arguments: Sequence[str]) -> bool:
    """Imports Daybook's DAG code if this process will fork children that need it.

    Args:
        arguments: the process's command line, as in `sys.argv`.

    Returns:
        Whether it was imported.
    """
    if not FORKING_COMPONENTS & set(arguments[1:]):
        return False
    importlib.import_module(_NEEDED)
    return True
