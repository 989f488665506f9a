"""`NotebookOperator`: one task that executes one notebook in one pod and believes only the sealed manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kubernetes.client import models as k8s

from daybook.catalogue import Notebook
from daybook.contract.errors import DaybookError, Faulty
from daybook.contract.manifest import Manifest, Reason, State
from daybook.contract.request import RunRequest
from daybook.on_airflow.arguments import refuse_unknown
from daybook.on_airflow.asking import (
    Asked,
    ParametersFrom,
    PodPlan,
    asked_for,
    enough_memory,
    for_pod,
    with_memory,
)
from daybook.on_airflow.assets import outlet_of
from daybook.on_airflow.counted import FIELDS, Counted
from daybook.on_airflow.credentials.handover import Handover
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.earlier import is_cleared, is_for_good
from daybook.on_airflow.errors import also_retried, as_airflow, failure_of
from daybook.on_airflow.giving_up import end_given_up
from daybook.on_airflow.links import LogLink, NotebookLink, RunLink
from daybook.on_airflow.plan import TaskInstance, plan_run
from daybook.on_airflow.pod_task import GIVING_UP_SECONDS
from daybook.on_airflow.pointer import emit, pointer_to
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import queued, settle
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.spark_servers.servers import Awaited
from daybook.on_airflow.spark_task import SparkTask
from daybook.on_airflow.staging import source_key, staged
from daybook.pods import CONTAINER, Ending, build_pod, labels
from daybook.workspaces import Workspace

if TYPE_CHECKING:
    from daybook.on_airflow.worker import WorkerNotebookOperator

STARTUP_TIMEOUT_SECONDS = 600
"""How long a pod may take from creation to running: an autoscaler may have to add a node, and a node pull the image."""

POLL_SECONDS = 1.0
"""How often the triggerer looks at the pod."""


class NotebookOperator(Counted, SparkTask):
    """Runs a notebook of the catalogue in a workspace.

    The task's XCom is a small pointer: `{"run_id", "workspace", "manifest", "state", "results"}`. On success the task
    emits an event for the notebook's asset with the same content.

    Args:
        notebook: the notebook's id in the catalogue (templated), or its entry.
        parameters: values by input name (templated); checked and typed before a pod is made.
        workspace: the workspace's name (templated); None takes the default one.
        parameters_from: where the values come from: `arguments`, just these here; `form`, the DAG run's params, which
            are the notebook's inputs, or its schedule; `request`, the params `parameters` and `workspace`.
        deferrable: wait in the triggerer, holding no worker slot.
        startup_timeout_seconds: how long the pod may take until it runs.
        poll_interval: seconds between two looks at the pod.
        kubernetes: connection options of `KubernetesPodOperator` (`kubernetes_conn_id`, `in_cluster`,
            `cluster_context`, `config_file`) and the arguments every operator takes.
    """

    template_fields: Sequence[str] = FIELDS
    template_fields_renderers = {"parameters": "json"}  # noqa: RUF012 - Airflow's class attribute
    operator_extra_links = (RunLink(), NotebookLink(), LogLink())
    ui_color = "#e8f0ea"

    def __init__(
        self,
        *,
        notebook: str | Notebook,
        parameters: Mapping[str, Any] | None = None,
        workspace: str | None = None,
        parameters_from: ParametersFrom = "arguments",
        deferrable: bool = True,
        startup_timeout_seconds: int = STARTUP_TIMEOUT_SECONDS,
        poll_interval: float = POLL_SECONDS,
        **kubernetes: Any,
    ) -> None:
        refuse_unknown(kubernetes)
        outlets = [*kubernetes.pop("outlets", ()), outlet_of(notebook)]
        super().__init__(
            base_container_name=CONTAINER,
            deferrable=deferrable,
            startup_timeout_seconds=startup_timeout_seconds,
            schedule_timeout_seconds=startup_timeout_seconds,
            startup_check_interval_seconds=1,
            poll_interval=poll_interval,
            # The whole log once, at the end: pieces in between lose and double lines.
            get_logs=True,
            logging_interval=None,
            container_name_log_prefix_enabled=False,
            on_finish_action="delete_pod",
            on_kill_action="delete_pod",
            log_pod_spec_on_failure=False,
            log_events_on_startup=False,
            random_name_suffix=False,
            do_xcom_push=False,
            outlets=outlets,
            **kubernetes,
        )
        others = self.on_failure_callback or ()
        self.on_failure_callback = [end_given_up, *(others if isinstance(others, Sequence) else (others,))]
        # Template fields are kept as they come: they may be another task's XCom.
        self.notebook = notebook.id if isinstance(notebook, Notebook) else notebook
        self._entry = notebook if isinstance(notebook, Notebook) else None
        self.parameters = {} if parameters is None else parameters
        self.workspace = workspace
        self.parameters_from = parameters_from
        self.run_page: str | None = None
        self._plan: PodPlan | None = None
        self._is_rendered = False
        self._is_waiting = False
        self._without_room: RunReference | None = None
        self._worker: WorkerNotebookOperator | None = None
        self._credentials = PodCredentials()

    # -- the way of a run ----------------------------------------------------------------------------------------------

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Decides, stages and starts the run; then waits here, or defers.

        Raises:
            AirflowFailException: the request is at fault, or the notebook failed: a retry would not help.
            AirflowException: the world around the notebook failed.
        """
        try:
            self._prepare(context)
        except DaybookError as error:
            self._seal_refused(error)
            raise as_airflow(error, ended=self._killed) from error
        if self._worker is not None:
            return self._worker.through(context, self.outlets)
        return self._through(context, lambda: super(NotebookOperator, self).execute(context))

    def try_again(self, context: Any, event: dict[str, Any]) -> dict[str, Any] | None:
        """Comes back when the quota may have room, or the Spark server answers: all is decided anew, for this attempt.

        Raises:
            AirflowFailException, AirflowException: as `execute` does.
        """
        self._without_room = RunReference.from_json(event["daybook"])
        self._awaited = Awaited(**event["spark"]) if "spark" in event else None
        return self.execute(context)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> dict[str, Any] | None:
        """Comes back when the pod has ended.

        Raises:
            AirflowFailException, AirflowException: as `execute` does.
        """
        if self._is_waiting:  # the provider found that there is nothing to wait for
            super().trigger_reentry(context, event)
            return None
        try:
            self._attach(RunReference.from_json(event["daybook"]))
        except DaybookError as error:
            raise as_airflow(error) from error
        return self._through(context, lambda: self._look(context, event))

    def give_up(self, context: Any) -> None:
        """Ends and seals what is left of a run that Airflow has given up.

        Raises:
            DaybookError: nobody can tell where the run is, or bucket or Kubernetes do not answer: the sweeper's work.
        """
        if self._manifest is not None or self._worker is not None:
            return
        task, in_worker = TaskInstance.from_context(context), False
        if self._reference is None:
            settings, entry, _, workspace = self._asked(context)
            in_worker = workspace.runs_in == "worker"
            self._attach(RunReference(workspace.name, task.run_id(entry.id), 0), settings)
        manifest = self._record.read()
        if manifest is None or (manifest.airflow and manifest.airflow.try_number > task.coordinates.try_number):
            return
        if in_worker and manifest.pod_uid is None:
            return  # its runner ends with its worker and seals; where it could not, the sweeper does
        pod = self._pods.read(self._reference_of(manifest).pod_name, self._namespace)
        self._end_attempt(manifest, pod, GIVING_UP_SECONDS)

    # -- its parts -----------------------------------------------------------------------------------------------------

    def _prepare(self, context: Any) -> None:
        """Decides about the run, and queues its attempt; or takes up what an earlier try left."""
        settings, entry, asked, workspace = self._asked(context)
        task = TaskInstance.from_context(context)
        self._attach(RunReference(workspace.name, task.run_id(entry.id), 0), settings)
        place, key = self._record.store.url, settings.voucher_key()
        request = plan_run(entry, asked.given, workspace, task, place, key, asked.settings)
        earlier = self._record.read()
        cleared = earlier is not None and is_cleared(earlier, context["ti"], self.retries)
        if workspace.runs_in == "worker" and not self._goes_on_in_pod(earlier, cleared):
            earlier = self._record.read()
            self._refer(also_retried=tuple(also_retried(entry, more_memory=False)))
            if earlier is not None and not cleared and is_for_good(earlier, self._this.also_retried):
                self._manifest = earlier
            else:
                self._hand_over(settings, workspace, entry, request)
            return
        resources, more = enough_memory(entry, workspace, self._record, earlier)
        still_more = resources.more_memory(workspace.maximum.memory) != resources
        self._refer(also_retried=tuple(also_retried(entry, more_memory=still_more)))
        retried = also_retried(entry, more_memory=more)
        if earlier is not None and not cleared and is_for_good(earlier, retried):
            self.log.info("An earlier try ended before it could say so; attempt %d stands", earlier.attempt)
            self._manifest = earlier
        request = self._queue(with_memory(request, resources), entry, earlier, cleared)
        self._refer(attempt=request.attempt)
        handover = Handover.of(workspace, request.run_id, request.attempt, settings.store_environment)
        self._credentials = PodCredentials(handover, lambda: self.client)
        self.labels = labels(request)
        self._plan = PodPlan(request, for_pod(workspace, entry), resources)
        self._attach_spark(settings, entry)
        self.log.info("Run %s, attempt %d: %s", request.run_id, request.attempt, self.run_page)

    def _seal_refused(self, error: DaybookError) -> None:
        """Seals a run that has waited for room, and is refused now that it is decided about anew."""
        if self._without_room is None or not isinstance(error, Faulty):
            return
        message = f"the run was refused when it had waited for room in the quota: {error}"
        try:
            self._attach(self._without_room)
            refused = Ending(State.FAILED, Reason.INVALID_REQUEST, message)
            self._manifest = settle(self._record, self._attempt, refused)
            self._end_own_spark()
        except DaybookError as unsealed:  # its workspace may be what is gone, and with it the way to its bucket
            self.log.warning("The refused run is not sealed: %s", unsealed)

    def _goes_on_in_pod(self, earlier: Manifest | None, cleared: bool) -> bool:
        """Whether a pod of before its workspace's runs went into the worker is at work; another one is settled."""
        if earlier is None or earlier.pod_uid is None or earlier.sealed:
            return False
        return self._take_up(earlier, cleared) is not None

    def _hand_over(self, settings: Settings, workspace: Workspace, entry: Notebook, request: RunRequest) -> None:
        """Has the run executed here, in the worker, by the operator for that."""
        from daybook.on_airflow.worker import WorkerNotebookOperator  # papermill and what it loads take seconds

        self._worker = WorkerNotebookOperator(task_id=self.task_id, notebook=entry)
        self._worker.begin(settings, workspace, entry, request)

    def _queue(self, request: RunRequest, entry: Notebook, earlier: Manifest | None, cleared: bool) -> RunRequest:
        """The request of the attempt that is next: one that goes on, one that waits for room, or a new one."""
        attempt = 1
        if earlier is not None:
            without_room = self._without_room.attempt if self._without_room is not None else None
            waits = earlier.state is State.QUEUED and earlier.attempt == without_room
            self._pod_to_reattach = None if waits else self._take_up(earlier, cleared)
            if self._pod_to_reattach is not None or self._manifest is not None:
                return request.model_copy(update={"attempt": earlier.attempt})
            attempt = earlier.attempt + (0 if waits else 1)
        request = staged(request.model_copy(update={"attempt": attempt}), entry, self._record.store)
        self._record.write(queued(request, source_key(entry)))
        return request

    def _asked(self, context: Any) -> tuple[Settings, Notebook, Asked, Workspace]:
        """Which notebook is asked for, with which settings and values, and where."""
        settings = Settings.from_environment(os.environ)
        entry = self._entry or settings.load_catalogue().get(self._text(self.notebook, context))
        asked = Asked(dict(self.parameters), self._text(self.workspace, context))
        if self.parameters_from != "arguments":
            environment = self.get_template_env()
            asked = asked_for(
                context,
                self.parameters_from,
                entry,
                lambda text: self.render_template(text, context, environment),
            )
        workspace = settings.load_workspaces().get(asked.workspace or entry.default_workspace)
        return settings, entry.with_settings(asked.settings), asked, workspace

    def _attach(self, reference: RunReference, settings: Settings | None = None) -> None:
        """Points this task at an attempt's record and pod."""
        settings = settings or Settings.from_environment(os.environ)
        workspace, self._record = reference.resolve(settings)
        self._reference, self._namespace = reference, workspace.namespace
        self._refer()
        self.run_page = settings.run_page(workspace.name, reference.run_id)

    def _through(self, context: Any, wait: Callable[[], Any]) -> dict[str, Any] | None:
        """Waits, then lets the manifest alone say what became of the run."""
        try:
            if self._manifest is None:
                self._is_waiting = True
                self._wait(wait)
        except DaybookError as error:
            raise as_airflow(error, ended=self._killed) from error
        manifest = self._manifest
        if manifest is None:
            raise RuntimeError("the run was waited for but not settled")
        pointer = pointer_to(self._this, manifest, self._record.store)
        context["ti"].xcom_push(key="return_value", value=pointer)
        if not manifest.succeeded:
            raise failure_of(manifest, self._this.also_retried)
        emit(context["outlet_events"], self.outlets, self.notebook, pointer)
        self.log.info("Run %s succeeded: %s", manifest.run_id, self.run_page)
        return pointer

    def _look(self, context: Any, event: dict[str, Any]) -> None:
        """Lets the provider look at the pod, where it is there; a pod of the same name is none."""
        if self._own_pod() is not None:
            super().trigger_reentry(context, event)

    def on_kill(self) -> None:
        """Ends what runs for this task, the pod or the runner here, and seals what that could not."""
        if self._worker is not None:
            self._worker.on_kill()
            return
        super().on_kill()

    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> k8s.V1Pod:  # noqa: ARG002
        """The pod, from the request alone, with the labels by which people find it."""
        if self._plan is None:
            raise RuntimeError("the run is not prepared")
        pod = build_pod(self._plan.request, self._plan.workspace, self._plan.resources)
        pod.metadata.labels.update(self._get_ti_pod_labels(context))
        pod.metadata.annotations.update(self._this.spark_annotations)
        return pod

    def _do_render_template_fields(self, parent: Any, *arguments: Any, **options: Any) -> None:
        super()._do_render_template_fields(parent, *arguments, **options)
        self._is_rendered = self._is_rendered or parent is self

    def _text(self, field: Any, context: Any) -> Any:
        """A template field's value; Airflow's callbacks get the operator as the DAG file has it."""
        return field if self._is_rendered else self.render_template(field, context)
