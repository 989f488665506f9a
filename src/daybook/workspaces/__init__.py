"""Workspaces: who may run what where, and with which bucket, Spark and limits."""

from daybook.workspaces.access import may_see, require_access
from daybook.workspaces.file import load_workspaces
from daybook.workspaces.workspace import SecretReference, SparkSettings, Workspace, Workspaces

__all__ = [
    "SecretReference",
    "SparkSettings",
    "Workspace",
    "Workspaces",
    "load_workspaces",
    "may_see",
    "require_access",
]
