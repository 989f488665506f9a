"""`WorkerNotebookOperator`: executes a notebook in the Airflow worker itself, where a workspace allows it.

It is for trusted notebooks: their code has the worker's rights (docs/worker.md). This module loads papermill's
provider, which takes seconds; `NotebookOperator` loads it only for a run that needs it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.papermill.operators.papermill import PapermillOperator

from daybook.catalogue import Notebook
from daybook.contract.errors import DaybookError, Fault, InvalidRequest, InvalidSettings
from daybook.contract.keys import AttemptKeys
from daybook.contract.manifest import Manifest, Reason, State
from daybook.contract.request import RunRequest
from daybook.on_airflow.arguments import refuse_unknown
from daybook.on_airflow.assets import outlet_of
from daybook.on_airflow.cancelling import ENDED, Question
from daybook.on_airflow.counted import FIELDS, Counted
from daybook.on_airflow.earlier import is_cleared, is_for_good
from daybook.on_airflow.errors import also_retried, as_airflow, failure_of
from daybook.on_airflow.links import LogLink, NotebookLink, RunLink
from daybook.on_airflow.plan import TaskInstance, plan_run
from daybook.on_airflow.pointer import emit, pointer_to
from daybook.on_airflow.reference import RunReference
from daybook.on_airflow.sealing import queued, settle
from daybook.on_airflow.settings import Settings
from daybook.on_airflow.staging import source_key, staged
from daybook.on_airflow.worker_process import Child, RunnerProcess
from daybook.pods import Ending
from daybook.storage import record_of
from daybook.workspaces import Workspace

NOT_STARTED = Ending(State.FAILED, Reason.INTERNAL_ERROR, "the runner could not be started in the worker")


class WorkerNotebookOperator(Counted, PapermillOperator):
    """Runs a notebook of the catalogue in the worker; for a workspace that says `runs_in: worker`.

    Checks, record, XCom, asset event and links are those of `NotebookOperator`, which hands such runs over to this one
    by itself; in a DAG of one's own this operator takes the place of `PapermillOperator` and needs no Kubernetes.

    Args:
        notebook: the notebook's id in the catalogue (templated), or its entry.
        parameters: values by input name (templated); checked and typed before anything starts.
        workspace: the workspace's name (templated); None takes the notebook's own, else the first one.
        arguments: those that every operator takes.
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
        **arguments: Any,
    ) -> None:
        refuse_unknown(arguments, type(self).__name__, ())
        outlets = [*arguments.pop("outlets", ()), outlet_of(notebook)]
        super().__init__(do_xcom_push=False, outlets=outlets, **arguments)
        self.notebook = notebook.id if isinstance(notebook, Notebook) else notebook
        self._entry = notebook if isinstance(notebook, Notebook) else None
        self.parameters: Any = {} if parameters is None else parameters
        self.workspace = workspace
        self.parameters_from = "arguments"
        self.run_page: str | None = None
        self._runner: RunnerProcess | None = None
        self._manifest: Manifest | None = None
        self._question: Question | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Decides, stages, and executes the run here.

        Raises:
            AirflowFailException: the request is at fault, or the notebook failed: a retry would not help.
            AirflowException: the world around the notebook failed.
        """
        try:
            settings = Settings.from_environment(os.environ)
            entry = self._entry or settings.load_catalogue().get(self.notebook)
            workspace = settings.load_workspaces().get(self.workspace or entry.default_workspace)
            task = TaskInstance.from_context(context)
            record = record_of(settings.open_bucket(workspace), task.run_id(entry.id))
            key = settings.voucher_key()
            request = plan_run(entry, dict(self.parameters), workspace, task, record.store.url, key)
            earlier = record.read()
            if earlier is not None and self._stands(earlier, entry, context["ti"]):
                self.log.info("An earlier try ended before it could say so; attempt %d stands", earlier.attempt)
                self._record, self._manifest = record, earlier
                self._this = RunReference(workspace.name, request.run_id, earlier.attempt)
                self.run_page = settings.run_page(workspace.name, request.run_id)
            else:
                self.begin(settings, workspace, entry, request)
        except DaybookError as error:
            raise as_airflow(error) from error
        return self.through(context, self.outlets)

    def _stands(self, earlier: Manifest, entry: Notebook, ti: Any) -> bool:
        """Whether what an earlier try left is this one's end, too."""
        self._also_retried = also_retried(entry, more_memory=False)
        return not is_cleared(earlier, ti, self.retries) and is_for_good(earlier, self._also_retried)

    def begin(self, settings: Settings, workspace: Workspace, entry: Notebook, request: RunRequest) -> None:
        """Queues the next attempt of a run that was decided about; one that never sealed its record is sealed as lost.

        Raises:
            InvalidRequest: the run needs what only a pod has; every fault is named.
            InvalidSettings: the workspace does not allow it.
            StoreFailed: the bucket does not answer.
        """
        require_no_pod(entry, workspace, request)
        record = self._record = record_of(settings.open_bucket(workspace), request.run_id)
        earlier = record.read()
        request = request.model_copy(update={"image": None, "attempt": 1 if earlier is None else earlier.attempt + 1})
        request = staged(request, entry, record.store)
        variables = settings.bucket_variables(workspace)
        record.write(queued(request, source_key(entry)))
        self._this = RunReference(workspace.name, request.run_id, request.attempt)
        self._also_retried = also_retried(entry, more_memory=False)
        self._child = Child.of(
            request,
            workspace if entry.run.spark else workspace.model_copy(update={"spark": None}),
            variables,
            os.environ,
            settings.notebook_environment,
        )
        self.input_nb = request.notebook.source
        self.output_nb = record.store.url_of(AttemptKeys(request.attempt).notebook)
        self.run_page = settings.run_page(workspace.name, request.run_id)
        self.log.info("Run %s, attempt %d, in this worker: %s", request.run_id, request.attempt, self.run_page)

    def through(self, context: Any, outlets: Sequence[Any]) -> dict[str, Any]:
        """Executes what has begun, unless it ended before; the manifest alone says what became of it.

        Args:
            context: the task's.
            outlets: of the task's operator, which may be another one.

        Raises:
            AirflowFailException, AirflowException: as `execute` does.
        """
        try:
            manifest = self._manifest or self._executed()
        except DaybookError as error:
            raise as_airflow(error) from error
        pointer = pointer_to(self._this, manifest, self._record.store)
        context["ti"].xcom_push(key="return_value", value=pointer)
        if not manifest.succeeded:
            raise failure_of(manifest, self._also_retried)
        emit(context["outlet_events"], outlets, self.notebook, pointer)
        self.log.info("Run %s succeeded: %s", manifest.run_id, self.run_page)
        return pointer

    def _executed(self) -> Manifest:
        """The sealed manifest; whatever ends the wait (a time limit of the task) ends the runner, and seals."""
        ending = NOT_STARTED
        try:
            with RunnerProcess(self._child) as runner:
                ending, self._runner = ENDED, runner
                if self._question is not None:
                    runner.ask_to_end()
                ending = runner.follow(self.log.info)
        finally:
            if self._question is not None:
                ending = self._question.ending()
            manifest = settle(self._record, self._this.attempt, ending)
        return manifest

    def on_kill(self) -> None:
        """Has the runner seal what there is and end; it does so even where Airflow kills this process meanwhile."""
        self._question = self._question or Question()
        if self._runner is not None:
            self._runner.ask_to_end()


def require_no_pod(entry: Notebook, workspace: Workspace, request: RunRequest) -> None:
    """Lets pass what can be executed without a pod, in a workspace whose operator allows it.

    Raises:
        InvalidSettings: the workspace does not allow it, or its credentials are such as only a pod gets.
        InvalidRequest: an image is named, or secrets, which are Kubernetes' own; every fault is named.
    """
    if workspace.runs_in != "worker":
        told = "executes notebooks in pods; its operator may allow the worker by `runs_in: worker`"
        raise InvalidSettings("not in this worker", [Fault(f"workspace {workspace.name}", told)])
    if workspace.credentials.kind in ("secret", "service_account"):
        # The runner would take the worker's own credentials in silence.
        told = (
            f"credentials of kind {workspace.credentials.kind} are a pod's; name Airflow's `store.connection` instead"
        )
        raise InvalidSettings("cannot reach the workspace's bucket", [Fault(f"workspace {workspace.name}", told)])
    faults = [
        Fault(name, "is a key of a Kubernetes Secret, which only a pod is given; choose another workspace")
        for name in request.secrets
    ]
    if entry.run.image is not None:
        faults.append(Fault("run.image", f"wants {entry.run.image}, and there are no images without pods"))
    if faults:
        raise InvalidRequest(f"workspace {workspace.name!r} executes notebooks in the worker", faults)
