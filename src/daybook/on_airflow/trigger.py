"""Waits for a run's pod in the triggerer, and ends the run truthfully when its task does not wait any more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import aiohttp
from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger
from airflow.providers.cncf.kubernetes.utils.pod_manager import AsyncPodManager
from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent
from kubernetes_asyncio.client.exceptions import ApiException

from daybook.contract.errors import DaybookError
from daybook.on_airflow.cancelling import DEFERRED, ending_by, state_of
from daybook.on_airflow.credentials.in_triggerer import Renewal
from daybook.on_airflow.patience import Connection, PatientHook
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import note_image, settle
from daybook.pods import CONTAINER, GRACE_SECONDS, disruption_of, image_digest_of, is_stuck
from daybook.storage import StaleAttempt

if TYPE_CHECKING:
    from kubernetes_asyncio.client.models import V1Pod

log = logging.getLogger(__name__)

_GONE_MARGIN_SECONDS = 15
_POLL_SECONDS = 0.5
_NOT_FOUND = 404
_UNDER_WAY: set[asyncio.Task[None]] = set()
"""What goes on although its trigger is over: an event loop by itself does not keep its tasks."""


class PodReplaced(Exception):
    """Another pod has the name of the one that was made for the attempt."""


class _StartingPod(AsyncPodManager):
    """An `AsyncPodManager` that looks at a pod as its trigger does."""

    def __init__(self, hook: PatientHook, look: Callable[[], Awaitable[V1Pod]]) -> None:
        super().__init__(hook)
        self._look = look

    async def read_pod(self, pod: V1Pod) -> V1Pod:  # noqa: ARG002
        """The pod as it is now."""
        return await self._look()


class NotebookTrigger(KubernetesPodTrigger):
    """A `KubernetesPodTrigger` that knows whose pod it waits for.

    Args:
        run: the `RunReference` of the attempt, as `NotebookOperator` hands it on.
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

    @cached_property
    def hook(self) -> PatientHook:
        """The way to Kubernetes."""
        return Connection(
            self.kubernetes_conn_id, self.in_cluster, self.config_dict, self.cluster_context, self.connection_extras
        ).hook()

    @cached_property
    def pod_manager(self) -> AsyncPodManager:
        """The provider's way to a pod that starts."""
        return _StartingPod(self.hook, self._get_pod)

    async def on_kill(self) -> None:
        """Deletes the pod, gives its runner the grace to seal the manifest, and seals it where the runner could not.

        Not where the task goes on waiting: another triggerer watches its pod then.
        """
        await _to_its_end(self._end())

    async def _end(self) -> None:
        state = await _state_of(self)
        if state != DEFERRED and await self._delete():
            await _settle_and_end_own_spark(self._reference, state, self.hook, self.pod_namespace)

    def define_pod_container_state(self, pod: V1Pod) -> ContainerState:
        """As the provider sees it; but a pod whose node will say nothing any more has failed."""
        if is_stuck(pod, datetime.now(UTC)):
            return ContainerState.FAILED
        return super().define_pod_container_state(pod)

    async def _get_pod(self) -> V1Pod:  # type: ignore[override] # there: a decorated one
        """The pod as it is now, and no other; each look renews credentials that are due.

        Notes which image runs, and why Kubernetes takes the pod away.
        """
        pod = await self.hook.get_pod(name=self.pod_name, namespace=self.pod_namespace)
        if self._reference.pod_uid not in (None, pod.metadata.uid):
            raise PodReplaced(f"another pod is called {self.pod_name} now")
        disruption = disruption_of(pod)
        if disruption is not None:
            told = (str(disruption.state), str(disruption.reason), disruption.message)
            self.trigger_kwargs["daybook"] = {**self.run_reference, "disruption": told}
        await self._renewal.look(self.hook)
        digest = None if self._image_is_noted else image_digest_of(pod, CONTAINER)
        if digest is not None:
            self._image_is_noted = True
            await asyncio.to_thread(self._note_image, digest)
        return pod

    async def _delete(self) -> bool:
        """Deletes the pod, again until it is gone; tells whether it is."""
        deadline = time.monotonic() + (self.termination_grace_period or GRACE_SECONDS) + _GONE_MARGIN_SECONDS
        deleted = False
        while time.monotonic() < deadline:
            try:
                pod = await self._get_pod()
                if not deleted and pod.metadata.deletion_timestamp is None:
                    await self.hook.delete_pod(self.pod_name, self.pod_namespace, self.termination_grace_period)
                deleted = True
            except PodReplaced:
                return True
            except (ApiException, aiohttp.ClientError, OSError) as error:
                if isinstance(error, ApiException) and error.status == _NOT_FOUND:
                    return True
                log.warning("Pod %s cannot be deleted, trying again: %s", self.pod_name, error)
            await asyncio.sleep(_POLL_SECONDS)
        log.warning("Pod %s is still there after its grace period", self.pod_name)
        return deleted

    def _note_image(self, digest: str) -> None:
        try:
            _, record = self._reference.resolve()
            note_image(record, self._reference.attempt, digest)
        except DaybookError as error:
            log.warning("The image's digest %s is not in the record: %s", digest, error)

    @property
    def _reference(self) -> RunReference:
        return RunReference.from_json(self.run_reference)


class PodlessTrigger(BaseTrigger):
    """Waits for what an attempt needs before its pod is made; seals the attempt when its task does not wait any more.

    Args:
        run: the `RunReference` of the attempt, which has no pod yet.
        namespace: of the attempt's Spark server, where it has one of its own.
        connection: the fields of a `Connection`.
    """

    def __init__(self, run: dict[str, Any], namespace: str, connection: dict[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's own
        self.run_reference = run
        self.namespace = namespace
        self.connection = connection

    async def on_kill(self) -> None:
        """Seals the run, whose pod was never made, and ends its own Spark server; not where another triggerer waits."""
        await _to_its_end(self._end())

    async def _end(self) -> None:
        state = await _state_of(self)
        if state != DEFERRED:
            reference, hook = RunReference.from_json(self.run_reference), Connection(**self.connection).hook()
            await _settle_and_end_own_spark(reference, state, hook, self.namespace)


class RoomTrigger(PodlessTrigger):
    """Waits until it is worth another try to make a pod that the namespace's quota had no room for.

    Args:
        run: the `RunReference` of the attempt.
        moment: when to try again, seconds since the epoch.
        namespace: as of a `PodlessTrigger`; a task that an earlier version deferred has none, and no server of its own.
        connection: the same.
    """

    def __init__(
        self, *, run: dict[str, Any], moment: float, namespace: str = "", connection: dict[str, Any] | None = None
    ) -> None:
        super().__init__(run, namespace, connection or {})
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, for the triggerer's database."""
        arguments = {"run": self.run_reference, "namespace": self.namespace, "connection": self.connection}
        return f"{__name__}.{type(self).__name__}", {**arguments, "moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event, when the time has come."""
        await asyncio.sleep(max(0.0, self.moment - time.time()))
        yield TriggerEvent({"daybook": self.run_reference})  # type: ignore[no-untyped-call] # Airflow's own


async def _to_its_end(deed: Coroutine[Any, Any, None]) -> None:
    """Does something whole, also where the one who waits for it is cancelled meanwhile.

    A triggerer cancels a trigger again at each of its rounds until it is over (Airflow 3.3's `TriggerStateSync`), and
    with it an `on_kill` that takes longer, as where it is the first to ask Airflow for a task's state.
    """
    task = asyncio.ensure_future(deed)
    _UNDER_WAY.add(task)
    task.add_done_callback(_UNDER_WAY.discard)
    await asyncio.shield(task)


async def _state_of(trigger: BaseTrigger) -> str | None:
    """The state of a trigger's task in Airflow's records.

    Airflow calls `on_kill` wherever a triggerer finds a trigger no longer among its own: mostly because somebody failed
    or cleared the task, but also where another triggerer has taken it over since this one was thought dead.
    """
    state = await asyncio.to_thread(state_of, trigger.task_instance)
    if state == DEFERRED:
        log.info("The task is still deferred: another triggerer watches over it")
    return state


async def _settle_and_end_own_spark(
    reference: RunReference, state: str | None, hook: PatientHook, namespace: str
) -> None:
    """Seals an attempt, then ends the Spark server that was its own, sealed or not.

    Where the server cannot be ended, it ends by itself when it idles.
    """
    try:
        await _settle(reference, state)
    finally:
        if reference.own_spark is not None:
            name, uid = reference.own_spark
            try:
                await hook.delete_this_pod(name, namespace, uid)
            except (AirflowException, ApiException, aiohttp.ClientError, OSError) as error:
                log.warning("Spark server %s is not ended, and ends by itself: %s", name, error)


async def _settle(reference: RunReference, state: str | None) -> None:
    """Seals an attempt whose task does not wait for it any more, where its runner has not."""

    def settled() -> None:
        _, record = reference.resolve()
        manifest = settle(record, reference.attempt, ending_by(state))
        log.info("Run %s is %s (%s)", manifest.run_id, manifest.state, manifest.reason)

    try:
        await asyncio.to_thread(settled)
    except StaleAttempt as error:
        log.info("Nothing to seal: %s", error)
