"""Airflow reads this at start-up, before it forks: its children then have Daybook's code already.

The hook counts runs in their workspace's pool.
"""

import sys

from daybook.on_airflow.policy import task_instance_mutation_hook  # noqa: F401 - Airflow looks for it here
from daybook.on_airflow.preload import preload

preload(sys.argv)
