"""A stand-in for a Databricks workspace: its public API over real HTTP, with a real Python process for each context.

Written from the public API documentation (clusters 2.0/2.1, command execution 1.2, SCIM `Me`, OAuth tokens) and the
Python SDK's models. What it does not model: Spark (`spark` is not there), isolation between users of one cluster, the
limit of contexts per cluster, libraries, cluster policies, init scripts, executors, notebooks, jobs, rate limits other
than those a test asks for, accounts, and TLS. SQL runs on SQLite; Scala and R contexts refuse every command. Of
IPython there are only the events before a cell, of `dbutils` only `library.restartPython()`. A command's output is
captured as text, one table or images, as the API gives it; the exact words of its errors are not documented, so nothing
may depend on them.
"""

from databricks.standin.app import ApiError, Request, Response, Router
from databricks.standin.clusters import Cluster
from databricks.standin.faults import Fault
from databricks.standin.world import StandIn

__all__ = ["ApiError", "Cluster", "Fault", "Request", "Response", "Router", "StandIn"]
