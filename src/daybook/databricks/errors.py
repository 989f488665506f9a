"""What can go wrong with a cluster; a branch of `contract.errors`, so that each says who must act.

InfrastructureFailed
└── DatabricksFailed        operator  retry     the cluster or its workspace could not do what was asked
    ├── ClusterUnavailable  operator  retry     it is not running and did not start
    ├── DatabricksRefused   operator  no retry  credentials, rights or the cluster's id
    └── RemoteFailed        operator  retry     a command ended badly; the base of what a cell can meet
        ├── ContextLost     user      no retry  the variables are gone; the cell is not run again by itself
        │   └── PythonRestarted                 their process is; the context is there still
        ├── CommandCancelled user     no retry  somebody ended the command
        ├── CommandTimedOut user      no retry  it took longer than the limit
        └── HandoverUnsure  operator  no retry  the line broke while the cell was handed over; it may have run
InvalidSettings             operator  no retry  what is missing or wrong, every fault at once (from `contract`)
"""

from __future__ import annotations

from typing import ClassVar

from daybook.contract.errors import Actor, InfrastructureFailed


class DatabricksFailed(InfrastructureFailed):
    """The cluster or its Databricks workspace could not do what was asked."""


class ClusterUnavailable(DatabricksFailed):
    """The cluster is not running, and did not start."""


class DatabricksRefused(DatabricksFailed):
    """Databricks knows the caller or the cluster not, or not for this."""

    retry_helps = False


class RemoteFailed(DatabricksFailed):
    """A command on the cluster ended badly."""


class ContextLost(RemoteFailed):
    """The execution context is gone, and the notebook's variables with it."""

    actor: ClassVar[Actor] = "user"
    retry_helps = False


class PythonRestarted(ContextLost):
    """The context is there, but another Python process serves it: the notebook's variables are gone."""


class CommandCancelled(RemoteFailed):
    """A command was cancelled before it was through."""

    actor: ClassVar[Actor] = "user"
    retry_helps = False


class CommandTimedOut(RemoteFailed):
    """A command took longer than its limit, and was cancelled."""

    actor: ClassVar[Actor] = "user"
    retry_helps = False


class HandoverUnsure(RemoteFailed):
    """The connection broke while a command was handed over: it may be running, and is not sent twice."""

    retry_helps = False
