"""What a run's page shows beside the record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from daybook.catalogue import RUN_SETTINGS, WORKSPACE, to_query
from daybook.contract import keys
from daybook.contract.databricks import driver_log
from daybook.contract.errors import InvalidRequest, StoreFailed
from daybook.contract.keys import AIRFLOW_TASK
from daybook.contract.manifest import Manifest, NotebookRecord, Output, State
from daybook.contract.preview import TablePreview
from daybook.contract.repeating import redacted_names
from daybook.contract.request import AirflowCoordinates
from daybook.contract.spark_state import SparkServerState
from daybook.storage import Pin, pin_of
from daybook.web.asking import visible_notebook
from daybook.web.previews import has_preview, preview_of
from daybook.web.runs import INLINE_IMAGES, Run, Waiting, is_ended_with_its_dag_run
from daybook.web.site import Site
from daybook.web.words import moment_told
from daybook.web.world import Asked
from daybook.workspaces import Identity

MAX_LISTED = 1_000
"""Outputs that the page lists: a notebook that writes a Zarr store leaves a hundred thousand."""
MAX_THUMBNAILS = 24
MAX_THUMBNAIL_BYTES = 5_000_000
"""Pictures are shown as they are, only smaller: a page must not be a hundred megabytes on a phone."""
MAX_PREVIEWS = 3
"""Tables shown on the page itself; the others have a link to a page of theirs."""
MAX_ATTEMPTS = 20
LOG_LINES = 200
LOG_BYTES = 64 * 1024
READS_AT_ONCE = 4


@dataclass(frozen=True)
class View:
    """What a run's page shows beside the record.

    Attributes:
        base: the page's own path, which all its links begin with.
        events: where its progress is told.
        is_followed: whether the page follows the run.
        now: the time here, ISO 8601: a browser's own clock may be wrong.
        elapsed_seconds: since the attempt began, of a run that goes on.
        expected_seconds: how long earlier runs took.
        airflow_url: its page in Airflow.
        jupyter_url: opens its notebook in JupyterLab.
        driver_log_url: the log of the Databricks cluster's driver, at the workspace's own host.
        again_url: the form with its values; None where this user cannot run the notebook there.
        can_run_again: whether the record has all values.
        can_cancel: whether Airflow can be asked to end it.
        pin: by whom it is kept from retention.
        attempts: the records of earlier attempts, the newest first.
        log: the last lines of the log.
        log_is_cut: whether there are more.
        outputs: those that are listed.
        pictures: outputs that are shown as pictures.
        tables: outputs that are shown as tables.
        previewed: paths of the outputs that can be looked into.
        spark: the server that it has used, where Daybook has started it and it is still there.
    """

    base: str
    events: str
    is_followed: bool
    now: str
    elapsed_seconds: float | None = None
    expected_seconds: float | None = None
    airflow_url: str | None = None
    jupyter_url: str | None = None
    driver_log_url: str | None = None
    again_url: str | None = None
    can_run_again: bool = False
    can_cancel: bool = False
    pin: Pin | None = None
    attempts: Sequence[Manifest] = ()
    log: str | None = None
    log_is_cut: bool = False
    outputs: Sequence[Output] = ()
    pictures: Sequence[Output] = ()
    tables: Sequence[tuple[Output, TablePreview]] = ()
    previewed: frozenset[str] = frozenset()
    spark: SparkServerState | None = None


def view_of_waiting(site: Site, run: Waiting, is_followed: bool) -> View:
    """The view of a run that has no record yet."""
    place = f"/runs/{quote(run.workspace.name)}/{run.run_id}"
    return View(
        base=site.world.settings.mount + place,
        events=f"{site.world.settings.mount}/api/v1{place}/events",
        is_followed=is_followed,
        now=_now().isoformat(timespec="milliseconds"),
        expected_seconds=site.history.expected_seconds(run.workspace, run.asked.notebook),
        airflow_url=site.world.airflow_url(_as_manifest(run.asked)),
        can_cancel=True,
    )


def view_of(site: Site, user: Identity, run: Run, is_followed: bool) -> View:
    """The view of a run.

    Raises:
        StoreFailed: the bucket does not answer.
    """
    m, mount = run.manifest, site.world.settings.mount
    place = f"/runs/{quote(run.workspace.name)}/{run.run_id}"
    previewed = [each for each in m.outputs if has_preview(each)]
    with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="run-page") as pool:
        pin = pool.submit(pin_of, run.record)
        spark = pool.submit(site.spark.of_run, run.workspace, m)
        log = pool.submit(_log_tail, run)
        tables = pool.map(lambda each: (each, preview_of(run.record.store, each)), previewed[:MAX_PREVIEWS])
        attempts = pool.map(run.record.earlier, range(m.attempt - 1, max(0, m.attempt - 1 - MAX_ATTEMPTS), -1))
        again_url = _again_url(site, user, run)
        pictures = [each for each in m.outputs if each.media_type in INLINE_IMAGES and each.size <= MAX_THUMBNAIL_BYTES]
        text, is_cut = log.result()
        return View(
            base=mount + place,
            events=f"{mount}/api/v1{place}/events",
            is_followed=is_followed and not m.sealed,
            now=_now().isoformat(timespec="milliseconds"),
            elapsed_seconds=_elapsed(m),
            expected_seconds=None if m.sealed else site.history.expected_seconds(run.workspace, m.notebook.id),
            airflow_url=site.world.airflow_url(m),
            jupyter_url=_jupyter_url(site, run, place),
            driver_log_url=_driver_log_url(run),
            again_url=again_url,
            can_run_again=again_url is not None and not redacted_names(m),
            can_cancel=not m.sealed and is_ended_with_its_dag_run(m),
            pin=pin.result(),
            attempts=[each for each in attempts if each is not None and each.run_id == m.run_id],
            log=text,
            log_is_cut=is_cut,
            outputs=m.outputs[:MAX_LISTED],
            pictures=pictures[:MAX_THUMBNAILS],
            tables=[(output, table) for output, table in tables if table is not None],
            previewed=frozenset(each.path for each in previewed),
            spark=spark.result(),
        )


def _as_manifest(asked: Asked) -> Manifest:
    """As much of a record as tells where in Airflow a run is."""
    return Manifest(
        run_id=asked.run_id,
        state=State.QUEUED,
        notebook=NotebookRecord(id=asked.notebook, source=""),
        workspace=asked.workspace,
        airflow=AirflowCoordinates(dag_id=asked.dag_id, run_id=asked.dag_run_id, task_id=AIRFLOW_TASK),
    )


def _elapsed(m: Manifest) -> float | None:
    started = None if m.sealed else moment_told(m.timings.started_at)
    return None if started is None else max(0.0, (_now() - started).total_seconds())


def _log_tail(run: Run) -> tuple[str | None, bool]:
    """The last lines of the log, and whether there are more; None where it is not in the bucket."""
    key, store = run.manifest.files.log, run.record.store
    if key is None or not run.manifest.sealed:
        return None, False
    try:
        size = store.info(key).size
        begin = max(0, size - LOG_BYTES)
        data = store.read_part(key, begin, size) if size else b""
    except StoreFailed:
        return None, False  # deleted, or the bucket is down for a moment: the page tells of the run all the same
    if begin:
        data = data.partition(b"\n")[2]
    lines = data.decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-LOG_LINES:]), begin > 0 or len(lines) > LOG_LINES


def _again_url(site: Site, user: Identity, run: Run) -> str | None:
    """The form with the run's values, but for those that its record does not keep."""
    m = run.manifest
    try:
        notebook = visible_notebook(site, user, m.notebook.id)
    except InvalidRequest:
        return None
    lost = set(redacted_names(m))
    values = {name: value for name, value in {**m.parameters, **m.secrets}.items() if name not in lost}
    known = {each.name for each in notebook.inputs}
    taken = {name: value for name, value in values.items() if name in known or notebook.open_inputs}
    try:
        query = to_query(notebook.inputs, taken)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        query = {}  # the input takes another type by now: the form begins with its defaults
    pairs = [(name, text) for name, texts in query.items() for text in texts] + [(WORKSPACE, run.workspace.name)]
    pairs += [(f"{RUN_SETTINGS}.{name}", str(value)) for name, value in m.settings.items()]
    return f"{site.world.settings.mount}/run/{quote(notebook.id)}?{urlencode(pairs)}"


def _jupyter_url(site: Site, run: Run, place: str) -> str | None:
    settings, m = site.world.settings, run.manifest
    if settings.jupyter_link is None or m.files.notebook is None:
        return None
    return filled(
        settings.jupyter_link,
        {
            "workspace": run.workspace.name,
            "run_id": m.run_id,
            "notebook": m.notebook.id,
            "url": f"{settings.public_url}{settings.mount}{place}/notebook.ipynb",
            "path": f"{keys.run_prefix(m.run_id)}/{keys.AttemptKeys(m.attempt).notebook}",
        },
    )


def _driver_log_url(run: Run) -> str | None:
    """Where the workspace's own file says that Databricks is: a record could name any host."""
    cluster, settings = run.manifest.databricks, run.workspace.databricks
    return driver_log(settings.host, cluster.cluster_id) if cluster is not None and settings is not None else None


def filled(template: str, values: Mapping[str, str]) -> str:
    """A link made from a template, `{name}` by `{name}`; nothing in a value can be more than a part of it.

    Of a path the slashes stay, as it leads through folders.
    """
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(value, safe="/" if name == "path" else ""))
    return template


def _now() -> datetime:
    return datetime.now(UTC)
