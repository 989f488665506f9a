"""Workspaces: who may run what where, and with which bucket, Spark and limits."""

from daybook.workspaces.access import may_see, require_access
from daybook.workspaces.credentials import (
    NoCredentials,
    SecretCredentials,
    ServiceAccountCredentials,
    StsCredentials,
)
from daybook.workspaces.file import load_workspaces
from daybook.workspaces.limits import Retention
from daybook.workspaces.members import Identity, Members
from daybook.workspaces.workspace import SecretReference, SparkSettings, Workspace, Workspaces

__all__ = [
    "Identity",
    "Members",
    "NoCredentials",
    "Retention",
    "SecretCredentials",
    "SecretReference",
    "ServiceAccountCredentials",
    "SparkSettings",
    "StsCredentials",
    "Workspace",
    "Workspaces",
    "load_workspaces",
    "may_see",
    "require_access",
]
