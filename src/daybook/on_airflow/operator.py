"""`NotebookOperator`: one task that executes one notebook in one pod and believes only the sealed manifest."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.exceptions import TaskDeferred
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from daybook.catalogue import Notebook, digest_of
from daybook.contract import keys
from daybook.contract.errors import DaybookError, Fault, InvalidRequest
from daybook.contract.manifest import Manifest
from daybook.contract.request import NotebookSource, RunRequest
from daybook.on_airflow.assets import RUNS_ALIAS, notebook_asset
from daybook.on_airflow.errors import as_airflow, describe, failure_of
from daybook.on_airflow.links import LogLink, NotebookLink, RunLink
from daybook.on_airflow.params import WORKSPACE
from daybook.on_airflow.plan import DIGEST_PREFIX, UNATTENDED, TaskInstance, choose_resources, plan_run
from daybook.on_airflow.sealing import queued, settle
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.trigger import CANCELLED, NotebookTrigger
from daybook.pods import CONTAINER, GONE, GRACE_SECONDS, build_pod, ending_of, labels
from daybook.storage import RunRecord, Store, record_of
from daybook.workspaces import Workspace

STARTUP_TIMEOUT_SECONDS = 600
"""How long a pod may take from creation to running: an autoscaler may have to add a node, and a node pull the image."""

POLL_SECONDS = 1.0
"""How often the triggerer looks at the pod."""

MAX_RESULTS_BYTES = 16 * 1024
"""Results larger than this stay in the manifest only; XCom lives in Airflow's database."""

ParametersFrom = Literal["arguments", "form", "request"]

_TERMINAL = ("Succeeded", "Failed")
_NOT_FOUND = 404


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
        refuse_pod_arguments(kubernetes)
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
        self.notebook = notebook if isinstance(notebook, str) else notebook.id
        self._entry = None if isinstance(notebook, str) else notebook
        self.parameters = dict(parameters or {})
        self.workspace = workspace
        self.parameters_from = parameters_from
        self.run_page: str | None = None
        self._request: RunRequest | None = None
        self._workspace: Workspace | None = None
        self._pod_to_reattach: k8s.V1Pod | None = None
        self._manifest: Manifest | None = None

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
        settings = Settings.from_environment(os.environ)
        entry = self._entry or settings.load_catalogue().get(self.notebook)
        given, workspace_name = self._given(context, entry)
        workspace = settings.load_workspaces().get(workspace_name or _default_workspace(entry))
        task = TaskInstance.from_context(context)
        bucket = settings.open_bucket(workspace)
        record = record_of(bucket, task.run_id(entry.id))
        request = plan_run(entry, given, workspace, task, record.store.url)
        self._pod_to_reattach = self._find_unfinished(workspace, request)
        request = self._numbered(request, record)
        if self._pod_to_reattach is None:
            request = _staged(request, entry, record.store)
            record.write(queued(request, keys.SOURCE_FILE if _is_local(entry) else None))
        self._begin(settings, workspace, request)
        self._resources = choose_resources(entry, workspace)
        self.trigger_kwargs = {"daybook": self._reference()}

    def _given(self, context: Any, entry: Notebook) -> tuple[dict[str, Any], str | None]:
        """The values asked for, and the workspace if one was named."""
        if self.parameters_from == "arguments":
            return dict(self.parameters), self.workspace
        asked = dict(context["params"])
        if self.parameters_from == "request":
            return asked["parameters"], asked.get(WORKSPACE)
        run_type = context["dag_run"].run_type
        if entry.schedule and str(getattr(run_type, "value", run_type)) in UNATTENDED:
            # The form's defaults must not win over what the schedule says; what a backfill's conf says does.
            environment = self.get_template_env()
            scheduled = entry.scheduled_parameters(lambda text: self.render_template(text, context, environment))
            asked = {**scheduled, **(context["dag_run"].conf or {})}
        workspace = asked.pop(WORKSPACE, None)
        return asked, workspace

    def _numbered(self, request: RunRequest, record: RunRecord) -> RunRequest:
        """The request with its attempt: that of the pod that still runs, else the one after the last."""
        if self._pod_to_reattach is not None:
            attempt = int(self._pod_to_reattach.metadata.labels[keys.ATTEMPT_LABEL])
        else:
            earlier = record.read()
            attempt = 1 if earlier is None else earlier.attempt + 1
        return request.model_copy(update={"attempt": attempt})

    def _find_unfinished(self, workspace: Workspace, request: RunRequest) -> k8s.V1Pod | None:
        """The pod of an earlier try whose end nobody has seen: its worker died, and the pod went on."""
        selector = f"{keys.RUN_LABEL}={keys.label_value(request.run_id)}"
        found = self.client.list_namespaced_pod(namespace=workspace.namespace, label_selector=selector).items
        alive = [pod for pod in found if pod.metadata.deletion_timestamp is None]
        return max(alive, key=lambda pod: int(pod.metadata.labels[keys.ATTEMPT_LABEL]), default=None)

    def _begin(self, settings: Settings, workspace: Workspace, request: RunRequest) -> None:
        self._request, self._workspace = request, workspace
        self._record = record_of(settings.open_bucket(workspace), request.run_id)
        self._attempt = request.attempt
        self.labels = labels(request)
        self.run_page = settings.run_page(workspace.name, request.run_id)
        self.log.info("Run %s, attempt %d: %s", request.run_id, request.attempt, self.run_page)

    def _resume(self, reference: dict[str, Any]) -> None:
        settings = Settings.from_environment(os.environ)
        workspace = settings.load_workspaces().get(reference["workspace"])
        self._record = record_of(settings.open_bucket(workspace), reference["run_id"])
        self._attempt = reference["attempt"]
        self.trigger_kwargs = {"daybook": reference}
        self.run_page = settings.run_page(workspace.name, reference["run_id"])

    def _reference(self) -> dict[str, Any]:
        """What the triggerer and the task that comes back need to find the run again."""
        if self._request is None or self._workspace is None:
            raise RuntimeError("the run is not prepared")
        return {"workspace": self._workspace.name, "run_id": self._request.run_id, "attempt": self._attempt}

    def _through(self, context: Any, wait: Any) -> dict[str, Any] | None:
        """Waits, then lets the manifest alone say what became of the run."""
        try:
            wait()
        except TaskDeferred:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the provider raises, the manifest decides
            self.log.info("The pod's own account: %s", _first_line(error))
        try:
            manifest = self._manifest or settle(self._record, self._attempt, GONE)
        except DaybookError as error:
            raise as_airflow(error) from error
        pointer = self._pointer(manifest)
        context["ti"].xcom_push(key="return_value", value=pointer)
        if not manifest.succeeded:
            raise failure_of(manifest)
        self._emit(context, pointer)
        self.log.info("Run %s succeeded: %s", manifest.run_id, self.run_page)
        return pointer

    # -- what KubernetesPodOperator asks of a subclass -------------------------------------------------------------

    def build_pod_request_obj(self, context: Any = None, *, dry_run: bool = False) -> k8s.V1Pod:  # noqa: ARG002
        """The pod, from the request alone, with the labels by which the provider finds it again."""
        if self._request is None or self._workspace is None:
            raise RuntimeError("the run is not prepared")
        pod = build_pod(self._request, self._workspace, self._resources)
        pod.metadata.labels.update(self._get_ti_pod_labels(context))
        return pod

    def get_or_create_pod(self, pod_request_obj: k8s.V1Pod, context: Any) -> k8s.V1Pod:  # noqa: ARG002
        """The pod of this very run that still waits to be seen, else a new one; never another run's."""
        if self._pod_to_reattach is not None:
            self.log.info("Reattaching to pod %s", self._pod_to_reattach.metadata.name)
            return self._pod_to_reattach
        return self.pod_manager.create_pod(pod=pod_request_obj)

    def defer(
        self, *, trigger: Any, method_name: str, kwargs: Any = None, timeout: timedelta | float | None = None
    ) -> NoReturn:
        """Defers to a trigger that knows the run, so that a cancelled run is sealed."""
        _, arguments = trigger.serialize()
        ours = NotebookTrigger(run=(self.trigger_kwargs or {})["daybook"], **arguments)
        super().defer(trigger=ours, method_name=method_name, kwargs=kwargs, timeout=timeout)

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:  # noqa: ARG002
        """Settles the run, then deletes its pod; one that still runs is ended first, with the grace to seal."""
        if self._killed or not remote_pod:
            return
        ending = ending_of(remote_pod, CONTAINER)
        ended = remote_pod.status is not None and remote_pod.status.phase in _TERMINAL
        try:
            if not ended:
                self._delete_and_wait(remote_pod)
            self._manifest = settle(self._record, self._attempt, ending)
        finally:
            if ended:
                self.process_pod_deletion(remote_pod, reraise=False)

    def on_kill(self) -> None:
        """Ends the pod of a task that was killed while it waited here, and seals what its runner could not."""
        super().on_kill()
        if self.pod is None:
            return
        self._wait_until_gone(self.pod)
        manifest = settle(self._record, self._attempt, CANCELLED)
        self.log.info("%s", describe(manifest))

    # -- small helpers ---------------------------------------------------------------------------------------------

    def _delete_and_wait(self, pod: k8s.V1Pod) -> None:
        self.process_pod_deletion(pod, reraise=False)
        self._wait_until_gone(pod)

    def _wait_until_gone(self, pod: k8s.V1Pod) -> None:
        deadline = time.monotonic() + GRACE_SECONDS + 15
        while time.monotonic() < deadline:
            try:
                self.client.read_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
            except ApiException as error:
                if error.status == _NOT_FOUND:
                    return
                raise
            time.sleep(0.5)

    def _pointer(self, manifest: Manifest) -> dict[str, Any]:
        results = manifest.model_dump(mode="json", include={"results"})
        return {
            "run_id": manifest.run_id,
            "workspace": manifest.workspace,
            "manifest": self._record.store.url_of(keys.MANIFEST),
            "state": str(manifest.state),
            "results": results["results"] if len(str(results)) <= MAX_RESULTS_BYTES else {},
        }

    def _emit(self, context: Any, pointer: dict[str, Any]) -> None:
        events = context["outlet_events"]
        for outlet in self.outlets:
            if isinstance(outlet, AssetAlias) and outlet.name == RUNS_ALIAS:
                events[outlet].add(notebook_asset(self.notebook), extra=pointer)
            elif isinstance(outlet, Asset) and outlet == notebook_asset(self.notebook):
                events[outlet].extra.update(pointer)


_OURS = frozenset(
    {
        "image",
        "name",
        "namespace",
        "cmds",
        "arguments",
        "env_vars",
        "env_from",
        "secrets",
        "volumes",
        "volume_mounts",
        "configmaps",
        "labels",
        "annotations",
        "full_pod_spec",
        "pod_template_file",
        "pod_template_dict",
        "container_resources",
        "service_account_name",
        "security_context",
        "container_security_context",
        "init_containers",
        "do_xcom_push",
        "get_logs",
        "logging_interval",
        "on_finish_action",
        "on_kill_action",
        "active_deadline_seconds",
        "termination_grace_period",
        "hostnetwork",
        "base_container_name",
    }
)


def refuse_pod_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuses what `KubernetesPodOperator` takes but workspace and catalogue decide here.

    Raises:
        TypeError: names every such argument.
    """
    found = sorted(_OURS & set(arguments))
    if found:
        raise TypeError(f"NotebookOperator makes its pod from workspace and catalogue; it takes no {', '.join(found)}")


def _outlet(notebook: str | Notebook) -> Asset | AssetAlias:
    """The notebook's asset; for an id that is a template, an alias that gets it when the task runs."""
    if isinstance(notebook, str) and "{{" in notebook:
        return AssetAlias(RUNS_ALIAS)
    return notebook_asset(notebook if isinstance(notebook, str) else notebook.id)


def _default_workspace(entry: Notebook) -> str | None:
    if entry.schedule and entry.schedule.workspace:
        return entry.schedule.workspace
    return entry.workspaces[0] if entry.workspaces else None


def _is_local(entry: Notebook) -> bool:
    return "://" not in str(entry.source)


def _staged(request: RunRequest, entry: Notebook, store: Store) -> RunRequest:
    """Copies a notebook of the local catalogue next to its record, where the pod reads it and the record keeps it."""
    if not _is_local(entry):
        return request
    try:
        content = Path(str(entry.source)).read_bytes()
    except OSError as error:
        raise InvalidRequest("the notebook cannot be read", [Fault(str(entry.source), str(error.strerror))]) from error
    found = digest_of(content)
    if entry.digest and found != entry.digest:
        message = f"has digest {found}, and the catalogue says {entry.digest}"
        raise InvalidRequest("the notebook is not the one of the catalogue", [Fault(str(entry.source), message)])
    store.write(keys.SOURCE_FILE, content, "application/x-ipynb+json")
    source = NotebookSource(
        **{
            **request.notebook.model_dump(),
            "source": store.url_of(keys.SOURCE_FILE),
            "sha256": found.removeprefix(DIGEST_PREFIX),
        }
    )
    return request.model_copy(update={"notebook": source})


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
