"""`NotebookOperator`: one task that executes one notebook in one pod and believes only the sealed manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import TaskDeferred
from kubernetes.client import models as k8s

from daybook.catalogue import Notebook
from daybook.contract import keys
from daybook.contract.errors import DaybookError, Fault, InvalidRequest
from daybook.contract.manifest import Manifest, Reason
from daybook.contract.request import RunRequest
from daybook.on_airflow.arguments import refuse_unknown
from daybook.on_airflow.assets import RUNS_ALIAS, notebook_asset
from daybook.on_airflow.credentials.handover import Handover
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.errors import as_airflow, describe, failure_of
from daybook.on_airflow.links import LogLink, NotebookLink, RunLink
from daybook.on_airflow.params import REQUEST_KEYS, WORKSPACE
from daybook.on_airflow.plan import UNATTENDED, TaskInstance, choose_resources, plan_run
from daybook.on_airflow.pod_api import PodApi, attempt_of, refusal, said
from daybook.on_airflow.sealing import note_image, queued, settle
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.staging import source_key, staged
from daybook.on_airflow.trigger import CANCELLED, NotebookTrigger
from daybook.pods import CONTAINER, GONE, Resources, build_pod, ending_of, image_digest_of, labels
from daybook.storage import record_of
from daybook.workspaces import Workspace

STARTUP_TIMEOUT_SECONDS = 600
"""How long a pod may take from creation to running: an autoscaler may have to add a node, and a node pull the image."""

POLL_SECONDS = 1.0
"""How often the triggerer looks at the pod."""

MAX_RESULTS_BYTES = 16 * 1024
"""Results larger than this stay in the manifest only; XCom lives in Airflow's database."""

ParametersFrom = Literal["arguments", "form", "request"]

_TERMINAL = ("Succeeded", "Failed")


class NotebookOperator(KubernetesPodOperator):
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

    template_fields: Sequence[str] = ("notebook", "parameters", "workspace")
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
        outlets = [*kubernetes.pop("outlets", ()), _outlet(notebook)]
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
        # Template fields are kept as they come: they may be another task's XCom.
        self.notebook = notebook.id if isinstance(notebook, Notebook) else notebook
        self._entry = notebook if isinstance(notebook, Notebook) else None
        self.parameters = {} if parameters is None else parameters
        self.workspace = workspace
        self.parameters_from = parameters_from
        self.run_page: str | None = None
        self._plan: PodPlan | None = None
        self._pod_to_reattach: k8s.V1Pod | None = None
        self._manifest: Manifest | None = None
        self._credentials = PodCredentials()

    # -- the way of a run ----------------------------------------------------------------------------------------

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Decides, stages and starts the run; then waits here, or defers.

        Raises:
            AirflowFailException: the request is at fault, or the notebook failed: a retry would not help.
            AirflowException: the world around the notebook failed.
        """
        try:
            self._prepare(context)
        except DaybookError as error:
            raise as_airflow(error) from error
        return self._through(context, lambda: super(NotebookOperator, self).execute(context))

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> dict[str, Any] | None:
        """Comes back when the pod has ended.

        Raises:
            AirflowFailException, AirflowException: as `execute` does.
        """
        try:
            self._resume(event["daybook"])
        except DaybookError as error:
            raise as_airflow(error) from error
        return self._through(context, lambda: super(NotebookOperator, self).trigger_reentry(context, event))

    def _prepare(self, context: Any) -> None:
        """Decides about the run, and queues its attempt; or finds the pod of one that an earlier try left running."""
        settings = Settings.from_environment(os.environ)
        entry = self._entry or settings.load_catalogue().get(self.notebook)
        given, workspace_name = self._given(context, entry)
        workspace = settings.load_workspaces().get(workspace_name or entry.default_workspace)
        task = TaskInstance.from_context(context)
        record = record_of(settings.open_bucket(workspace), task.run_id(entry.id))
        request = plan_run(entry, given, workspace, task, record.store.url)
        earlier = record.read()
        self._pod_to_reattach = self._unseen_pod(workspace, request, earlier)
        if self._pod_to_reattach is not None:
            request = request.model_copy(update={"attempt": attempt_of(self._pod_to_reattach)})
        else:
            request = request.model_copy(update={"attempt": 1 if earlier is None else earlier.attempt + 1})
            request = staged(request, entry, record.store)
            if earlier is not None and not earlier.sealed:
                settle(record, earlier.attempt, GONE)
            record.write(queued(request, source_key(entry)))
        self._begin(settings, workspace, request)
        handover = Handover.of(workspace, request.run_id, request.attempt, settings.store_environment)
        self._credentials = PodCredentials(handover, lambda: self.client)
        self._plan = PodPlan(request, _for_pod(workspace, entry), choose_resources(entry, workspace))

    def _given(self, context: Any, entry: Notebook) -> tuple[dict[str, Any], str | None]:
        """The values asked for, and the workspace if one was named."""
        if self.parameters_from == "arguments":
            return dict(self.parameters), self.workspace
        asked = dict(context["params"])
        if self.parameters_from == "request":
            refuse_unknown_keys(asked)
            return asked["parameters"], asked.get(WORKSPACE)
        run_type = context["dag_run"].run_type
        if entry.schedule and str(getattr(run_type, "value", run_type)) in UNATTENDED:
            # The form's defaults must not win over what the schedule says; what a backfill's conf says does.
            environment = self.get_template_env()
            scheduled = entry.scheduled_parameters(lambda text: self.render_template(text, context, environment))
            asked = {**scheduled, **(context["dag_run"].conf or {})}
        workspace = asked.pop(WORKSPACE, None)
        return asked, workspace

    def _unseen_pod(self, workspace: Workspace, request: RunRequest, earlier: Manifest | None) -> k8s.V1Pod | None:
        """The pod of an earlier try whose end nobody has seen: its worker died, and the pod went on."""
        sealed = earlier.attempt if earlier is not None and earlier.sealed else 0
        pods = self._pods.of_run(request.run_id, workspace.namespace)
        return next((pod for pod in reversed(pods) if attempt_of(pod) > sealed), None)

    def _begin(self, settings: Settings, workspace: Workspace, request: RunRequest) -> None:
        self.labels = labels(request)
        self._attach(settings, workspace, request.run_id, request.attempt)
        self.log.info("Run %s, attempt %d: %s", request.run_id, request.attempt, self.run_page)

    def _resume(self, reference: dict[str, Any]) -> None:
        settings = Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(reference["workspace"])
        self._attach(settings, workspace, reference["run_id"], reference["attempt"])

    def _attach(self, settings: Settings, workspace: Workspace, run_id: str, attempt: int) -> None:
        """Points this task at an attempt's record and pod; the reference lets the triggerer and the next part do so."""
        self._record = record_of(settings.open_bucket(workspace), run_id)
        self._attempt = attempt
        self._pod_place = (keys.pod_name(run_id, attempt), workspace.namespace)
        self.trigger_kwargs = {"daybook": {"workspace": workspace.name, "run_id": run_id, "attempt": attempt}}
        self.run_page = settings.run_page(workspace.name, run_id)

    def _through(self, context: Any, wait: Callable[[], Any]) -> dict[str, Any] | None:
        """Waits, then lets the manifest alone say what became of the run."""
        try:
            self._wait(wait)
        except DaybookError as error:
            raise as_airflow(error) from error
        manifest = self._manifest
        if manifest is None:
            raise RuntimeError("the run was waited for but not settled")
        pointer = self._pointer(manifest)
        context["ti"].xcom_push(key="return_value", value=pointer)
        if not manifest.succeeded:
            raise failure_of(manifest)
        self._emit(context, pointer)
        self.log.info("Run %s succeeded: %s", manifest.run_id, self.run_page)
        return pointer

    def _wait(self, wait: Callable[[], Any]) -> None:
        failure: Exception | None = None
        try:
            wait()
        except (TaskDeferred, DaybookError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the provider raises, the manifest decides
            failure = error
            self.log.info("The pod's own account: %s", said(error))
        finally:
            self._credentials.close()
        if self._manifest is not None:
            return
        # The provider came back without having cleaned up: ask Kubernetes what there is.
        pod = self._pods.read(*self._pod_place)
        if pod is None:
            self._manifest = settle(self._record, self._attempt, refusal(failure) or GONE)
        else:
            self.cleanup(pod, pod)

    # -- what KubernetesPodOperator asks of a subclass -------------------------------------------------------------

    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> k8s.V1Pod:  # noqa: ARG002
        """The pod, from the request alone, with the labels by which the provider finds it again."""
        if self._plan is None:
            raise RuntimeError("the run is not prepared")
        pod = build_pod(self._plan.request, self._plan.workspace, self._plan.resources)
        pod.metadata.labels.update(self._get_ti_pod_labels(context))
        return pod

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Any) -> k8s.V1Pod:  # noqa: ARG002
        """The pod of this very run that still waits to be seen, else a new one; never another run's."""
        renewing, pod = not self.deferrable, self._pod_to_reattach
        if pod is not None:
            self.log.info("Reattaching to pod %s", pod.metadata.name)
            note = self._credentials.give_again(pod, renewing=renewing)
        else:
            self._credentials.obtain()  # before there is a pod: where the role is refused, nothing starts
            pod = self.pod_manager.create_pod(pod=pod_request_obj)
            note = self._credentials.give(pod, renewing=renewing)
        (self.trigger_kwargs or {})["daybook"].update(note)
        return pod

    def defer(
        self, *, trigger: Any, method_name: str, kwargs: Any = None, timeout: timedelta | float | None = None
    ) -> NoReturn:
        """Defers to a trigger that knows the run, so that a cancelled run is sealed."""
        _, arguments = trigger.serialize()
        ours = NotebookTrigger(run=(self.trigger_kwargs or {})["daybook"], **arguments)
        super().defer(trigger=ours, method_name=method_name, kwargs=kwargs, timeout=timeout)

    def await_pod_start(self, pod: k8s.V1Pod) -> None:
        """Waits here until the pod runs, and notes which image that is."""
        super().await_pod_start(pod)
        digest = image_digest_of(self._pods.read(*self._pod_place), CONTAINER)
        if digest is not None:
            note_image(self._record, self._attempt, digest)

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:  # noqa: ARG002
        """Settles the run, then deletes its pod; one that still runs is ended first, with the grace to seal.

        A pod whose runner could not reach the bucket is kept: what it could not save lies in it.

        Raises:
            StoreFailed: the bucket does not answer; the pod is kept for the next try.
        """
        if self._killed or not remote_pod:
            return
        ending = ending_of(remote_pod, CONTAINER)
        ended = remote_pod.status is not None and remote_pod.status.phase in _TERMINAL
        if not ended:
            self.process_pod_deletion(remote_pod, reraise=False)
            self._pods.wait_until_gone(remote_pod)
        self._manifest = settle(self._record, self._attempt, ending, remote_pod)
        if self._manifest.reason is Reason.STORE_FAILED:
            self.log.warning("Pod %s is kept: it holds what could not be saved", remote_pod.metadata.name)
        elif ended:
            self.process_pod_deletion(remote_pod, reraise=False)

    def on_kill(self) -> None:
        """Ends the pod of a task that was killed while it waited here, and seals what its runner could not."""
        super().on_kill()
        if self.pod is None:
            return
        self._pods.wait_until_gone(self.pod)
        manifest = settle(self._record, self._attempt, CANCELLED, self.pod)
        self.log.info("%s", describe(manifest))

    def _write_logs(self, *arguments: Any, **options: Any) -> None:  # type: ignore[override] # there: a decorated one
        """The log as far as it goes: following a pod that outlived its time limit would wait for it once more."""
        super()._write_logs(*arguments, **{**options, "follow": False})

    # -- small helpers ---------------------------------------------------------------------------------------------

    @property
    def _pods(self) -> PodApi:
        return PodApi(lambda: self.client)

    def _pointer(self, manifest: Manifest) -> dict[str, Any]:
        results = manifest.model_dump(mode="json", include={"results"})["results"]
        fits = len(json.dumps(results).encode()) <= MAX_RESULTS_BYTES
        return {
            "run_id": manifest.run_id,
            "workspace": manifest.workspace,
            "manifest": self._record.store.url_of(keys.MANIFEST),
            "state": str(manifest.state),
            "results": results if fits else {},
            **({} if fits else {"results_in_manifest_only": True}),
        }

    def _emit(self, context: Any, pointer: dict[str, Any]) -> None:
        events = context["outlet_events"]
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias) and outlet.name == RUNS_ALIAS:
                events[outlet].add(notebook_asset(self.notebook), extra=pointer)
            elif isinstance(outlet, Asset) and outlet == notebook_asset(self.notebook):
                events[outlet].extra.update(pointer)


@dataclass(frozen=True)
class PodPlan:
    """What the attempt's pod is made from."""

    request: RunRequest
    workspace: Workspace
    resources: Resources


def refuse_unknown_keys(params: Mapping[str, Any]) -> None:
    """Refuses a request to `run_notebook` with names that mean nothing.

    Raises:
        InvalidRequest: names every one.
    """
    faults = [
        Fault(name, f"is not known; there are {', '.join(REQUEST_KEYS)}") for name in params if name not in REQUEST_KEYS
    ]
    if faults:
        raise InvalidRequest("run_notebook cannot run this", faults)


def _for_pod(workspace: Workspace, entry: Notebook) -> Workspace:
    """The workspace as this notebook's pod may see it."""
    return workspace if entry.run.spark else workspace.model_copy(update={"spark": None})


def _outlet(notebook: Any) -> Asset | AssetAlias:
    """The notebook's asset; where the id is known only when the task runs, an alias that gets it then."""
    if isinstance(notebook, Notebook):
        return notebook_asset(notebook.id)
    if not isinstance(notebook, str) or "{{" in notebook or "{%" in notebook:
        return AssetAlias(RUNS_ALIAS)
    return notebook_asset(notebook)
