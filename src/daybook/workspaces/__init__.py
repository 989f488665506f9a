"""Workspaces: who may run what where, and with which bucket, Spark and limits."""

from daybook.workspaces.access import may_see, require_access
from daybook.workspaces.credentials import (
    NoCredentials,
    SecretCredentials,
    SecretReference,
    ServiceAccountCredentials,
    StsCredentials,
)
from daybook.workspaces.databricks import DatabricksSettings
from daybook.workspaces.file import load_workspaces
from daybook.workspaces.in_force import InForce, WorkspacesFile
from daybook.workspaces.limits import DEFAULT_EPHEMERAL_STORAGE, Allowed, Maximum, Retention
from daybook.workspaces.members import Identity, Members
from daybook.workspaces.pod_settings import PodSettings, Toleration, Volume
from daybook.workspaces.policy import Wish, require_within, timeout_of
from daybook.workspaces.workspace import SparkSettings, Workspace, Workspaces

__all__ = [
    "DEFAULT_EPHEMERAL_STORAGE",
    "Allowed",
    "DatabricksSettings",
    "Identity",
    "InForce",
    "Maximum",
    "Members",
    "NoCredentials",
    "PodSettings",
    "Retention",
    "SecretCredentials",
    "SecretReference",
    "ServiceAccountCredentials",
    "SparkSettings",
    "StsCredentials",
    "Toleration",
    "Volume",
    "Wish",
    "Workspace",
    "Workspaces",
    "WorkspacesFile",
    "load_workspaces",
    "may_see",
    "require_access",
    "require_within",
    "timeout_of",
]
