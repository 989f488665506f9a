"""The pod's side of `NotebookOperator`: made once, watched, ended, deleted; never another one taken for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import TaskDeferred
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from daybook.contract.errors import DaybookError, InfrastructureFailed, StoreFailed
from daybook.contract.manifest import Manifest, Reason
from daybook.on_airflow.cancelling import Question, is_cancelled
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.endings import ending_at, ending_of_given_up, ending_unmade, ending_without_pod, is_over
from daybook.on_airflow.errors import describe
from daybook.on_airflow.patience import Connection, PatientPodManager, extras_of
from daybook.on_airflow.pod_api import PodApi, QuotaExceeded, refusal, said
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import note_image, note_message, settle
from daybook.on_airflow.trigger import NotebookTrigger, RoomTrigger
from daybook.pods import CONTAINER, Ending, disruption_of, image_digest_of, is_stuck
from daybook.storage import RunRecord, StaleAttempt

ROOM_SECONDS = 30.0
"""Between two tries to make a pod that the namespace's quota has no room for."""

GIVING_UP_SECONDS = 30.0
"""How long Airflow's callbacks wait for a pod to end: its DAG processor ends what takes longer than 50 s."""


class PodTask(KubernetesPodOperator):
    """A `KubernetesPodOperator` for the pod of one attempt; it believes the record, and only the pod it made."""

    _record: RunRecord
    _namespace: str
    _reference: RunReference | None = None
    _manifest: Manifest | None = None
    _pod_to_reattach: k8s.V1Pod | None = None
    _credentials: PodCredentials

    # -- what an earlier try left --------------------------------------------------------------------------------------

    def _take_up(self, earlier: Manifest, cleared: bool) -> k8s.V1Pod | None:
        """The pod of an attempt that an earlier try left behind, where it still has something to say.

        Of a task that was cleared it has not: its trigger may be about to end it.

        Any other pod in its place is deleted, and the attempt is sealed: at most one attempt is ever at work.
        """
        pod = self._pods.read(self._reference_of(earlier).pod_name, self._namespace)
        is_its_own = pod is not None and pod.metadata.uid == earlier.pod_uid and not cleared
        if pod is not None and is_its_own and not earlier.sealed and pod.metadata.deletion_timestamp is None:
            return pod
        self._end_attempt(earlier, pod)
        return None

    def _end_attempt(self, manifest: Manifest, pod: k8s.V1Pod | None, seconds: float | None = None) -> None:
        """Deletes what there is of an attempt's pod, and seals its record; a pod that holds the only copy stays."""
        if manifest.sealed and manifest.reason is Reason.STORE_FAILED:
            return
        if pod is not None:
            ending = ending_of_given_up(pod)
            if (manifest.sealed or ending.reason is not Reason.STORE_FAILED) and not self._is_gone(pod, seconds):
                return  # its runner is still at work on the record; the sweeper looks again
        else:
            ending = ending_without_pod(manifest, self._reference_of(manifest).ending_when_gone)
        if not manifest.sealed:
            self.log.info("%s", describe(settle(self._record, manifest.attempt, ending, pod)))

    def _is_gone(self, pod: k8s.V1Pod, seconds: float | None) -> bool:
        """Deletes a pod, and tells whether it is gone so soon; where no time is given it counts as gone in the end.

        One on a node that does not answer is waited for no more.
        """
        self._pods.delete(pod)
        return (
            is_stuck(pod, datetime.now(UTC))
            or self._pods.wait_until_gone(pod, *(() if seconds is None else (seconds,)))
            or seconds is None
        )

    def _reference_of(self, manifest: Manifest) -> RunReference:
        """An attempt of this very run: a notebook may have written another one's name into its record."""
        return replace(self._this, attempt=manifest.attempt, pod_uid=manifest.pod_uid)

    # -- making and waiting --------------------------------------------------------------------------------------------

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Any) -> k8s.V1Pod:  # noqa: ARG002
        """The pod of this very attempt that still waits to be seen, else a new one; never another's.

        Raises:
            QuotaExceeded: there is no room for it now, and the task can wait elsewhere.
            ApiException: Kubernetes refuses it.
        """
        renewing, pod = not self.deferrable, self._pod_to_reattach
        if pod is not None:
            self.log.info("Reattaching to pod %s", pod.metadata.name)
            note = self._credentials.give_again(pod, renewing=renewing)
        else:
            pod = self._made(pod_request_obj)
            self._note_pod(pod)
            self._refer(pod_uid=pod.metadata.uid)  # now: where it gets no credentials it is ended as this task's own
            note = self._credentials.give(pod, renewing=renewing)
        self._refer(pod_uid=pod.metadata.uid, **note)
        return pod

    def _made(self, wanted: k8s.V1Pod) -> k8s.V1Pod:
        while True:
            if self._killed:  # Airflow lets a task go on for a moment after `on_kill`
                raise InfrastructureFailed("the task was ended before its pod was made")
            # Before there is a pod: where the role is refused, nothing starts. And anew after each wait for room, which
            # may have lasted longer than they are good for.
            self._credentials.obtain()
            try:
                return self._pods.create(wanted)
            except QuotaExceeded as error:
                note_message(self._record, self._attempt, f"waits for room in the namespace's quota: {error}")
                if self.deferrable:
                    raise
                self.log.info("No room for the pod, trying again in %.0f s: %s", ROOM_SECONDS, error)
            time.sleep(ROOM_SECONDS)

    def _note_pod(self, pod: k8s.V1Pod) -> None:
        """Keeps the pod's UID: without it nobody could tell it from another one later.

        Raises:
            StoreFailed: the bucket does not take it, or the attempt was given up meanwhile; there is no pod then.
        """
        try:
            self._record.note_pod(self._attempt, pod.metadata.uid)
        except StoreFailed:
            self._pods.delete(pod)
            raise

    def _wait(self, wait: Callable[[], Any]) -> None:
        """Waits, and has the run settled then, whatever the provider makes of its pod."""
        failure: Exception | None = None
        try:
            wait()
        except QuotaExceeded:
            self._wait_for_room()
        except (TaskDeferred, DaybookError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the provider raises, the manifest decides
            failure = error
            self.log.info("The pod's own account: %s", said(error))
        finally:
            self._credentials.close()
        if self._manifest is None:
            # The provider came back without having cleaned up: ask Kubernetes what there is.
            unmade = ending_unmade(said(failure)) if failure is not None and self._this.pod_uid is None else None
            self._finish(self._own_pod(), refusal(failure) or unmade)

    def _wait_for_room(self) -> NoReturn:
        self._require_wanted()
        moment = time.time() + ROOM_SECONDS
        trigger = RoomTrigger(
            run=self._this.to_json(), namespace=self._namespace, connection=asdict(self._connection()), moment=moment
        )
        super().defer(trigger=trigger, method_name="try_again")
        raise RuntimeError("a deferral raises")

    def defer(
        self, *, trigger: Any, method_name: str, kwargs: Any = None, timeout: timedelta | float | None = None
    ) -> NoReturn:
        """Defers to a trigger that knows the run, so that a cancelled run is sealed."""
        self._require_wanted()
        _, arguments = trigger.serialize()
        ours = NotebookTrigger(run=self._this.to_json(), **arguments)
        super().defer(trigger=ours, method_name=method_name, kwargs=kwargs, timeout=timeout)

    def _require_wanted(self) -> None:
        """Ends what there is of a run that somebody has cancelled while its pod was made.

        Airflow tells a task so with the answer to its next heartbeat, some seconds later. It takes no deferral by then,
        and a task that has ended in between hears of nothing.

        Raises:
            InfrastructureFailed: it was cancelled.
        """
        if is_cancelled():
            self.on_kill()
            raise InfrastructureFailed("the run was cancelled before its task waited for it")

    def await_pod_start(self, pod: k8s.V1Pod) -> None:
        """Waits here until the pod runs, and notes which image that is."""
        super().await_pod_start(pod)
        digest = image_digest_of(self._own_pod(), CONTAINER)
        if digest is not None:
            note_image(self._record, self._attempt, digest)

    def await_pod_completion(self, pod: k8s.V1Pod) -> None:  # type: ignore[override] # there: a decorated one
        """Waits here until the pod has ended; then its log, once and whole."""
        self.pod_manager.await_pod_completion(pod)
        self._write_logs(pod)

    def find_pod(self, namespace: str, context: Any, *, exclude_checked: bool = True) -> k8s.V1Pod | None:  # noqa: ARG002
        """This attempt's pod as it is now; the provider would look by labels, which anybody can set."""
        return self._own_pod()

    def _write_logs(self, pod: k8s.V1Pod, *_: Any, **__: Any) -> None:  # type: ignore[override] # there: a decorated one
        """The log as far as it goes, each line once: following a pod that outlived its time would wait for it again."""
        try:
            for line in self._pods.log_lines(pod, CONTAINER):
                if line:
                    self.log.info("[%s] logs: %s", CONTAINER, line)
        except (ApiException, HTTPError) as error:
            self.log.warning("The rest of the pod's log cannot be had; the record has it: %s", said(error))

    # -- ending --------------------------------------------------------------------------------------------------------

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:  # noqa: ARG002
        """Settles the run, then deletes its pod; one that still runs is ended first, with the grace to seal.

        A pod whose runner could not reach the bucket is kept: what it could not save lies in it.

        Raises:
            StoreFailed: the bucket does not answer; the pod is kept for the next try.
        """
        if remote_pod and not self._killed and self._manifest is None:
            self._finish(self._own_pod())

    def _finish(self, pod: k8s.V1Pod | None, refused: Ending | None = None) -> None:
        if pod is None:
            self._manifest = settle(self._record, self._attempt, refused or self._this.ending_when_gone)
            return
        ended, ending = is_over(pod), refused or ending_at(pod)
        if not ended:
            self._pods.delete(pod)
            self._pods.wait_until_gone(pod)
        self._manifest = settle(self._record, self._attempt, ending, pod)
        if self._manifest.reason is Reason.STORE_FAILED:
            self.log.warning("Pod %s is kept: its log is nowhere else", pod.metadata.name)
        elif ended:
            self._delete_settled(pod)

    def _delete_settled(self, pod: k8s.V1Pod) -> None:
        try:
            self._pods.delete(pod)
        except InfrastructureFailed as error:
            # The run is what its manifest says; a pod too many does not change that, and the sweeper takes it away.
            self.log.warning("Pod %s could not be deleted: %s", pod.metadata.name, error)

    def on_kill(self) -> None:
        """Ends the pod of a task that was killed while it was here, and seals what its runner could not.

        Airflow may call it again before it is through: a worker that is ended gets the signal, and hands it on.
        """
        again, self._killed = self._killed, True
        if again or self._reference is None or self._reference.attempt == 0 or self._manifest is not None:
            return
        question = Question()
        pod = self._pods.read(self._reference.pod_name, self._namespace)
        if pod is not None:
            self._pods.delete(pod)
            self._pods.wait_until_gone(pod)
        try:
            self.log.info("%s", describe(settle(self._record, self._attempt, question.ending(), pod)))
        except StaleAttempt as error:
            self.log.info("Nothing to seal: %s", error)

    # -- small helpers -------------------------------------------------------------------------------------------------

    @cached_property
    def pod_manager(self) -> PatientPodManager:
        """The provider's way to the pod, made patient."""
        return PatientPodManager(self._pods, kube_client=self.client, callbacks=self.callbacks)

    def _connection(self) -> Connection:
        """How the triggerer reaches the pods."""
        self.convert_config_file_to_dict()  # type: ignore[no-untyped-call] # Airflow's own
        extras = extras_of(self.kubernetes_conn_id)
        return Connection(self.kubernetes_conn_id, self.in_cluster, self._config_dict, self.cluster_context, extras)

    @property
    def _pods(self) -> PodApi:
        return PodApi(lambda: self.client)

    @property
    def _this(self) -> RunReference:
        if self._reference is None:
            raise RuntimeError("the run is not prepared")
        return self._reference

    @property
    def _attempt(self) -> int:
        return self._this.attempt

    def _refer(self, **changes: Any) -> None:
        """Changes the reference, which the triggerer and the next part of the task get too."""
        self._reference = replace(self._this, **changes)
        self.trigger_kwargs = {**(self.trigger_kwargs or {}), "daybook": self._reference.to_json()}

    def _own_pod(self) -> k8s.V1Pod | None:
        """The pod that was made for this attempt; None where it is gone, or another one has its name."""
        pod = self._pods.read(self._this.pod_name, self._namespace)
        if pod is None or pod.metadata.uid != self._this.pod_uid:
            return None
        disruption = disruption_of(pod)
        if disruption is not None:
            self._refer(disruption=(str(disruption.state), str(disruption.reason), disruption.message))
        return pod
