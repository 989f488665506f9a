"""What all of the house knows of Databricks: its kernel's name, its variables, and the address of a cluster's log.

Free of imports beyond the standard library, so that what runs in a notebook's kernel need not load the models.
"""

from __future__ import annotations

import re

DATABRICKS_KERNEL = "databricks"
"""The kernel whose cells are executed on a Databricks cluster."""

VARIABLES_PREFIX = "DATABRICKS_"
HOST_VARIABLE = "DATABRICKS_HOST"
CLUSTER_VARIABLE = "DATABRICKS_CLUSTER_ID"
TOKEN_VARIABLE = "DATABRICKS_TOKEN"  # noqa: S105 - the variable's name
CLIENT_ID_VARIABLE = "DATABRICKS_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "DATABRICKS_CLIENT_SECRET"  # noqa: S105 - the variable's name
AUTH_TYPE_VARIABLE = "DATABRICKS_AUTH_TYPE"
"""The variables above are those of Databricks' own SDK and tools (its unified authentication)."""
SETTINGS_PREFIX = "DAYBOOK_DATABRICKS_"
"""How the variables begin that hold the kernel's own settings, such as its time limits; nothing in them is secret."""

CLUSTER_ID = r"[A-Za-z0-9][A-Za-z0-9-]{0,99}"
"""What a cluster's id looks like; Databricks' own are `1126-081234-abcd1234`."""


def is_databricks(kernel: str | None) -> bool:
    """Whether a kernel of that name executes its cells on a cluster; as Jupyter, without regard to capitals."""
    return kernel is not None and kernel.lower() == DATABRICKS_KERNEL


def driver_log(host: str, cluster_id: str | None) -> str | None:
    """The page with the log of a cluster's driver; None where the id is none.

    As in the documentation of Databricks' SDK, at `ClusterInstance.cluster_id`.
    """
    if cluster_id is None or not re.fullmatch(CLUSTER_ID, cluster_id):
        return None
    return f"{host.rstrip('/')}/#setting/sparkui/{cluster_id}/driver-logs"
