"""The Spark server's side of `NotebookOperator`: one that answers is there before the run's pod is made."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import NoReturn

from kubernetes.client import models as k8s

from daybook.catalogue import Notebook
from daybook.contract.errors import InfrastructureFailed, StoreFailed
from daybook.contract.manifest import Reason, State
from daybook.contract.spark_settings import Layer
from daybook.contract.variables import SPARK_SETTINGS_VARIABLE
from daybook.on_airflow.asking import PodPlan
from daybook.on_airflow.credentials.connections import handed_over
from daybook.on_airflow.pod_api import QuotaExceeded
from daybook.on_airflow.pod_task import ROOM_SECONDS, PodTask
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import note_message, settle
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.spark_servers.servers import Awaited, Found, SparkRefused, SparkServers, SparkUnavailable
from daybook.on_airflow.spark_servers.trigger import ENDS, LOOK_SECONDS, SparkTrigger, waits_for
from daybook.pods import Ending
from daybook.pods.spark import Answers, Starts, WantedServer
from daybook.storage.credentials import CredentialsRefused, CredentialsUnavailable
from daybook.storage.spark_states import send_to_spark
from daybook.workspaces import Workspace


class SparkTask(PodTask):
    """A `PodTask` whose run may need a Spark server."""

    _plan: PodPlan | None = None
    _awaited: Awaited | None = None
    _without_room: RunReference | None = None
    _noted: str | None = None

    def _attach_spark(self, settings: Settings, entry: Notebook) -> None:
        """Points the run's pod at a server that answers; waits for one, here or in the triggerer.

        A run whose server cannot be had is sealed: there is nothing that its pod could do.

        Raises:
            TaskDeferred: the triggerer waits; the task comes back to `try_again`.
            InfrastructureFailed: Kubernetes or the bucket does not answer.
        """
        plan = self._plan
        if plan is None or self._manifest is not None:
            return
        if self._pod_to_reattach is not None:
            self._go_on_with_spark_of(self._pod_to_reattach)
            return
        if self._without_room is not None and self._without_room.attempt == self._attempt:
            self._refer(own_spark=self._without_room.own_spark)  # however this try ends, it ends the server too
        wanted = self._wanted(plan.workspace, entry)
        self._plan = replace(plan, workspace=with_spark_settings(plan.workspace, entry))
        if wanted is None:
            return
        servers = SparkServers(
            lambda: self.client, lambda session: handed_over(plan.workspace, settings.store_environment, session)
        )
        try:
            found = self._answering(servers, wanted)
        except SparkUnavailable as error:
            reason = Reason.POD_REFUSED if isinstance(error, SparkRefused) else Reason.SPARK_UNAVAILABLE
            self._seal_without_spark(Ending(State.FAILED, reason, str(error)))
        except (CredentialsRefused, CredentialsUnavailable) as error:
            refused = isinstance(error, CredentialsRefused)
            reason = Reason.CREDENTIALS_REFUSED if refused else Reason.SPARK_UNAVAILABLE
            self._seal_without_spark(Ending(State.FAILED, reason, f"the Spark server can have no credentials: {error}"))
        else:
            if found.credentials is not None:
                self._credentials.serve(found.name, found.credentials)
                self._refer(spark_credentials=(found.name, found.credentials))
            workspace = self._plan.workspace.model_copy(update={"spark": found.settings})
            self._plan = replace(plan, workspace=workspace)

    def _go_on_with_spark_of(self, pod: k8s.V1Pod) -> None:
        """Takes over what an earlier try has noted on its pod: whose credentials it renews, which server it ends."""
        reference = self._this.with_spark_of(pod.metadata.annotations or {})
        self._refer(own_spark=reference.own_spark, spark_credentials=reference.spark_credentials)
        if reference.spark_credentials is not None:
            self._credentials.serve(*reference.spark_credentials)

    def _wanted(self, workspace: Workspace, entry: Notebook) -> WantedServer | None:
        owner = (self._this.run_id, self._attempt) if entry.run.own_spark else None
        return WantedServer.of(workspace, entry.run.spark_profile, owner, entry.run.spark_settings)

    def _answering(self, servers: SparkServers, wanted: WantedServer) -> Found:
        """A server that answers; comes back only with one."""
        self._come_to(wanted.name)
        while True:
            self._go_on()
            try:
                found = servers.ensure(wanted, self._awaited)
            except QuotaExceeded as error:
                self._note_wait(f"waits for room in the namespace's quota for its Spark server: {error}")
                if self.deferrable:
                    self._wait_for_room()
                time.sleep(ROOM_SECONDS)
                continue
            if wanted.owner is not None:
                self._refer(own_spark=(found.name, found.uid))
            self._go_on()
            if isinstance(found.look, Answers):
                return found
            self._awaited = Awaited(found.uid)
            self._note_wait(waits_for(found.name, _why(found)))
            if self.deferrable:
                self._wait_for_spark(wanted, found)
            time.sleep(LOOK_SECONDS)

    def _come_to(self, server: str) -> None:
        """Lets a server know that a run comes, before it is looked at: one that is about to end for idleness stays."""
        try:
            send_to_spark(self._record.store, server)
        except StoreFailed as error:
            self.log.warning("Spark server %s does not know that a run comes: %s", server, error)

    def _go_on(self) -> None:
        """Airflow lets a task go on for a moment after `on_kill`, which may have found no server to end yet.

        Raises:
            InfrastructureFailed: the task was ended.
        """
        if self._killed:
            self._end_own_spark()
            raise InfrastructureFailed("the task was ended before its Spark server was ready")

    def _wait_for_spark(self, wanted: WantedServer, found: Found) -> NoReturn:
        self._require_wanted()
        server = {
            "name": found.name,
            "namespace": wanted.workspace.namespace,
            "uid": found.uid,
            "start_seconds": wanted.server.start_seconds,
        }
        trigger = SparkTrigger.of(self._this.to_json(), server, self._connection())
        super(PodTask, self).defer(trigger=trigger, method_name="try_again")
        raise RuntimeError("a deferral raises")

    def _note_wait(self, message: str) -> None:
        """Says what is waited for, in log and record, where that is something else than before."""
        if message == self._noted:
            return
        self._noted = message
        self.log.info("The run %s", message)
        note_message(self._record, self._attempt, message)

    def _seal_without_spark(self, ending: Ending) -> None:
        self._manifest = settle(self._record, self._attempt, ending)
        self._end_own_spark()

    def _finish(self, pod: k8s.V1Pod | None, refused: Ending | None = None) -> None:
        super()._finish(pod, refused)
        self._end_own_spark()

    def on_kill(self) -> None:
        """Ends what runs for this task, its own Spark server too."""
        again = self._killed
        try:
            super().on_kill()
        finally:
            if not again:
                self._end_own_spark()

    def _end_own_spark(self) -> None:
        """Ends the server that was this attempt's own; where that cannot be, it ends by itself when it idles."""
        own = self._reference.own_spark if self._reference is not None else None
        if own is None:
            return
        try:
            SparkServers(lambda: self.client).remove(own[0], self._namespace, own[1])
        except InfrastructureFailed as error:
            self.log.warning("Spark server %s is not ended, and ends by itself: %s", own[0], error)


def with_spark_settings(workspace: Workspace, entry: Notebook) -> Workspace:
    """The workspace whose pods are told Spark's settings, by who gives them; the session applies them."""
    server = workspace.spark.server if workspace.spark is not None else None
    layers = {
        Layer.WORKSPACE: dict(server.settings) if server is not None else {},
        Layer.NOTEBOOK: entry.run.spark_settings,
    }
    told = {str(layer): settings for layer, settings in layers.items() if settings}
    if not told:
        return workspace
    return workspace.model_copy(
        update={"environment": {**workspace.environment, SPARK_SETTINGS_VARIABLE: json.dumps(told)}}
    )


def _why(found: Found) -> str:
    return found.look.why if isinstance(found.look, Starts) else ENDS
