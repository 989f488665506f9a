"""Waits for a run's pod in the triggerer, and ends the run truthfully when somebody cancels it."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger
from kubernetes_asyncio.client.exceptions import ApiException

from daybook.contract.errors import DaybookError
from daybook.contract.manifest import Reason, State
from daybook.on_airflow.credentials.in_triggerer import Renewal
from daybook.on_airflow.sealing import note_image, settle
from daybook.on_airflow.settings import Settings
from daybook.pods import CONTAINER, GRACE_SECONDS, Ending, image_digest_of
from daybook.storage import RunRecord, StaleAttempt, record_of

if TYPE_CHECKING:
    from kubernetes_asyncio.client.models import V1Pod

log = logging.getLogger(__name__)

CANCELLED = Ending(State.INTERRUPTED, Reason.CANCELLED, "the run was cancelled before its notebook was through")

_GONE_MARGIN_SECONDS = 15
_POLL_SECONDS = 0.5
_NOT_FOUND = 404


class NotebookTrigger(KubernetesPodTrigger):
    """A `KubernetesPodTrigger` that knows whose pod it waits for.

    Args:
        run: workspace, run id and attempt, as `NotebookOperator` hands them on.
        pod: the arguments of `KubernetesPodTrigger`.
    """

    def __init__(self, *, run: dict[str, Any], **pod: Any) -> None:
        super().__init__(**pod)
        self.run_reference = run
        self._image_is_noted = False
        self._renewal = Renewal(run)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, for the triggerer's database."""
        _, arguments = super().serialize()
        return f"{__name__}.{type(self).__name__}", {**arguments, "run": self.run_reference}

    async def on_kill(self) -> None:
        """Deletes the pod, gives its runner the grace to seal the manifest, and seals it where the runner could not."""
        await super().on_kill()
        if self._fired_event:
            return
        await self._wait_until_gone()
        try:
            await asyncio.to_thread(self._settle)
        except StaleAttempt as error:
            log.info("Nothing to seal: %s", error)

    async def _wait_until_gone(self) -> None:
        deadline = time.monotonic() + (self.termination_grace_period or GRACE_SECONDS) + _GONE_MARGIN_SECONDS
        while time.monotonic() < deadline:
            try:
                await self.hook.get_pod(name=self.pod_name, namespace=self.pod_namespace)
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    return
                raise
            await asyncio.sleep(_POLL_SECONDS)
        log.warning("Pod %s is still there after its grace period", self.pod_name)

    async def _get_pod(self) -> V1Pod:  # type: ignore[override] # there: a decorated one
        """The pod as it is now; each look renews credentials that are due, the first notes which image runs."""
        pod = await super()._get_pod()
        await self._renewal.look(self.hook)
        digest = None if self._image_is_noted else image_digest_of(pod, CONTAINER)
        if digest is not None:
            self._image_is_noted = True
            await asyncio.to_thread(self._note_image, digest)
        return pod

    def _note_image(self, digest: str) -> None:
        try:
            note_image(self._record(), self.run_reference["attempt"], digest)
        except DaybookError as error:
            log.warning("The image's digest %s is not in the record: %s", digest, error)

    def _settle(self) -> None:
        manifest = settle(self._record(), self.run_reference["attempt"], CANCELLED)
        log.info("Run %s is %s (%s)", manifest.run_id, manifest.state, manifest.reason)

    def _record(self) -> RunRecord:
        settings = Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(self.run_reference["workspace"])
        return record_of(settings.open_bucket(workspace), self.run_reference["run_id"])
