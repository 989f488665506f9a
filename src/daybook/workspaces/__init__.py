"""Workspaces: who may run what where, and with which bucket, Spark and limits."""

from daybook.workspaces.access import may_see, require_access
from daybook.workspaces.credentials import (
    NoCredentials,
    SecretCredentials,
    ServiceAccountCredentials,
    StsCredentials,
)
from daybook.workspaces.file import load_workspaces
from daybook.workspaces.in_force import InForce, WorkspacesFile
from daybook.workspaces.members import Identity, Members
from daybook.workspaces.workspace import SecretReference, SparkSettings, Workspace, Workspaces

__all__ = [
    "Identity",
    "InForce",
    "Members",
    "NoCredentials",
    "SecretCredentials",
    "SecretReference",
    "ServiceAccountCredentials",
    "SparkSettings",
    "StsCredentials",
    "Workspace",
    "Workspaces",
    "WorkspacesFile",
    "load_workspaces",
    "may_see",
    "require_access",
]
