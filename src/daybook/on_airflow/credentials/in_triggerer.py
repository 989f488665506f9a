"""Renews a pod's credentials from the triggerer, while nobody else waits for the pod."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientError
from airflow.providers.cncf.kubernetes.hooks.kubernetes import AsyncKubernetesHook
from kubernetes_asyncio.client import CoreV1Api
from kubernetes_asyncio.client.exceptions import ApiException

from daybook.contract.errors import DaybookError
from daybook.on_airflow.credentials.handover import RETRY_SECONDS, Handover, content_of, due_at
from daybook.on_airflow.credentials.of_pod import said
from daybook.on_airflow.credentials.roles import SessionCredentials
from daybook.on_airflow.settings import Settings
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable

_NOT_FOUND = 404
log = logging.getLogger(__name__)


class Renewal:
    """When the credentials of a run's pod are due, and how they are renewed.

    A triggerer that takes the run over knows the operator's date only; then they are renewed once too often.

    Args:
        run: workspace, run id and attempt, and `credentials_due` where there are credentials to renew.
    """

    def __init__(self, run: dict[str, Any]) -> None:
        self._run = run
        due = run.get("credentials_due")
        self._due = None if due is None else datetime.fromisoformat(due)

    async def look(self, hook: AsyncKubernetesHook) -> None:
        """Renews what is due; what cannot be renewed now is tried again, and the run goes on meanwhile."""
        if self._due is None or datetime.now(UTC) < self._due:
            return
        try:
            # A thread: assuming a role asks the network, and Airflow for the connection.
            handover, obtained = await asyncio.to_thread(self._obtain)
            async with hook.get_conn() as connection:
                for secret, credentials in obtained.items():
                    await _put(CoreV1Api(connection), secret, handover, credentials)
        except (DaybookError, CredentialsRefused, CredentialsUnavailable, ApiException, ClientError, OSError) as error:
            log.warning("The credentials of run %s are not renewed, trying again: %s", self._run["run_id"], said(error))
            self._due = datetime.now(UTC) + timedelta(seconds=RETRY_SECONDS)
        else:
            self._due = due_at(obtained[handover.secret])
            log.info("The credentials of run %s are renewed; the next are due at %s", self._run["run_id"], self._due)

    def _obtain(self) -> tuple[Handover, dict[str, SessionCredentials]]:
        settings = Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(self._run["workspace"])
        handover = Handover.of(workspace, self._run["run_id"], self._run["attempt"], settings.store_environment)
        if handover is None:
            raise DaybookError("the workspace has no credentials of kind sts any more")
        server = self._run.get("spark_credentials")
        handover = replace(handover, server=tuple(server) if server else None)
        return handover, handover.obtain_all()


async def _put(api: CoreV1Api, secret: str, handover: Handover, credentials: SessionCredentials) -> None:
    try:
        await api.patch_namespaced_secret(secret, handover.namespace, content_of(credentials))
    except ApiException as error:
        if secret == handover.secret or error.status != _NOT_FOUND:  # a Spark server may be gone
            raise
