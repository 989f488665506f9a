"""What a sweep does in a workspace: seals abandoned runs, removes orphan pods and Secrets, applies retention."""

from daybook.retention.abandoned import EVERYTHING, RECENT, Window
from daybook.retention.cluster import Cluster
from daybook.retention.deciding import Going, beyond
from daybook.retention.listing import RunInfo, run_infos
from daybook.retention.report import Report
from daybook.retention.sweep import Airflow, Place, apply_retention, sweep

__all__ = [
    "EVERYTHING",
    "RECENT",
    "Airflow",
    "Cluster",
    "Going",
    "Place",
    "Report",
    "RunInfo",
    "Window",
    "apply_retention",
    "beyond",
    "run_infos",
    "sweep",
]
