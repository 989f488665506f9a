"""Airflow reads this at start-up, before it forks: its children then have Daybook's code already."""

import sys

from daybook.on_airflow.preload import preload

preload(sys.argv)
