"""A site on which every page has something to show: notebooks, and runs in every state."""

import dataclasses
import struct
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builders import a_manifest, a_notebook_json, a_run_id, an_output
from daybook.catalogue import Catalogue, load_catalogue
from daybook.contract.manifest import CellCounts, CellError, Files, NotebookRecord, Reason, State, Timings
from daybook.contract.request import AirflowCoordinates
from daybook.contract.spark_server import SparkSize
from daybook.contract.spark_state import SparkServerState, SparkState
from daybook.storage import Store, open_store, record_of
from daybook.storage.spark_states import tell_spark_state
from daybook.web.world import Asked, World
from daybook.workspaces import SparkServer, SparkSettings, Workspaces
from web_api import ports_of
from web_notebooks import EVERY_WIDGET, a_notebook

EXAMPLES = Path(__file__).parents[1] / "include" / "notebooks"
AIRFLOW = AirflowCoordinates(dag_id="flights_delays", run_id="manual__1", task_id="run")
TABLE = b"carrier,flights,delay\nAA,312,9.4\nUA,528,12.1\n"
SOURCE = 'delays = flights.groupby("carrier").agg({"arr_delay": "mean"})\ndelays.plot.bar()'


def catalogue() -> Catalogue:
    """The examples, and one notebook with every widget there is."""
    every = a_notebook("every", EVERY_WIDGET, title="Every widget", description="Has all of them.", tags=["all"])
    found = load_catalogue([EXAMPLES]).notebooks
    return Catalogue({**found, "every": every}, {}, ())


def shown(world: World, bucket: Store) -> tuple[World, dict[str, str]]:
    """A world with something to show, and the path of each of its pages, by name."""
    runs = _save_runs(bucket)
    _save_servers(bucket)
    soon = datetime.now(UTC).replace(microsecond=0)
    queued = Asked(a_run_id("every"), "every", "open", "alice", soon, "every", "manual__2", "queued")
    empty = open_store("memory:///")
    changed = dataclasses.replace(
        world,
        bucket=lambda workspace: bucket if workspace.name == "open" else empty,
        catalogue=catalogue,
        workspaces=lambda: with_spark(world.workspaces()),
        **ports_of(lambda workspace: [queued] if workspace.name == "open" else []),
        next_runs=lambda: {"daily_flights": soon + timedelta(hours=7)},
    )
    pages = {name: f"/runs/open/{run_id}" for name, run_id in runs.items()}
    picked = f"run=open/{runs['succeeded']}&run=open/{runs['failed']}"
    return changed, {
        "catalogue": "/",
        "nothing-found": "/?q=no-such-word",
        "form": "/run/flights_delays",
        "form-widgets": "/run/every?place=Oslo",
        "form-faults": "/run/every?place=a+place+with+far+too+long+a+name&day=1999-01-01&area=1,2,1,2&nothing=1",
        **pages,
        "queued": f"/runs/open/{queued.run_id}",
        "preview": f"{pages['succeeded']}/preview/tables/delays.csv",
        "history": "/runs",
        "history-empty": "/runs?state=lost",
        "history-faults": "/runs?since=yesterday&state=lost",
        "compare": f"/runs/compare?{picked}",
        "compare-choose": "/runs/compare",
        "spark": "/spark",
        "missing": "/run/none",
    }


def with_spark(found: Workspaces) -> Workspaces:
    """The same workspaces: the first with a server of Daybook's, the others with one that others run."""
    remote = SparkSettings(remote="sc://127.0.0.1:15002", ui="http://127.0.0.1:4040")
    first, *others = found
    changed = [first.model_copy(update={"spark": SparkSettings(server=SparkServer())})]
    changed += [each.model_copy(update={"spark": remote}) for each in others]
    return Workspaces(workspaces=tuple(changed))


def a_server(name: str, **changes: Any) -> SparkServerState:
    """What a server says of itself just now."""
    now = datetime.now(UTC).replace(microsecond=0)
    given = {"workspace": "open", "state": SparkState.ANSWERS, "sessions": 2, "started_at": now, "told_at": now}
    where = {"remote": "sc://10.1.2.3:15002", "ui": "http://10.1.2.3:4040"}
    return SparkServerState(name=name, **{**given, **where, **changes})


def _save_servers(bucket: Store) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    large = SparkSize(
        driver_cores=2, driver_memory="4Gi", executor_cores=4, executor_memory="16Gi", maximum_executors=8
    )
    for each in (
        a_server("daybook-spark-open-0123456789", ui="http://127.0.0.1:4040", size=large),
        a_server("daybook-spark-open-1123456789", state=SparkState.STARTS, sessions=None),
        a_server("daybook-spark-open-2123456789", started_at=long_ago, told_at=long_ago),
        a_server("daybook-spark-open-3123456789", state=SparkState.FAILED, sessions=None, why="its Java ended"),
    ):
        tell_spark_state(bucket, each)


def a_picture(width: int = 480, height: int = 240) -> bytes:
    """A PNG with some bars."""
    tops = (0.35, 0.7, 0.5, 0.9, 0.25, 0.6)

    def pixel(x: int, y: int) -> bytes:
        at, within = divmod(x * len(tops), width)
        return b"\x2f\x8f\x6b" if within > width * 0.2 and height - y < tops[at] * height else b"\xff\xff\xff"

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(it)) + kind + it + struct.pack(">I", zlib.crc32(kind + it)) for kind, it in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _save_runs(bucket: Store) -> dict[str, str]:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
    table, plot = an_output("tables/delays.csv", size=len(TABLE)), an_output("delays.png", media_type="image/png")
    going = {"sealed": False, "sealed_by": None, "exit_code": None, "results": {}}
    error = CellError(
        cell=3,
        name="KeyError",
        value="'arr_delay'",
        source=SOURCE,
        traceback="KeyError                  Traceback (most recent call last)\nCell In[4], line 1\n" + SOURCE,
    )
    kinds = {
        "running": {
            **going,
            "state": State.RUNNING,
            "cells": CellCounts(total=5, succeeded=3, current=3),
            "files": Files(notebook="notebook.ipynb"),
            "timings": Timings(queued_at=began.isoformat(), started_at=began.isoformat()),
        },
        "failed": {
            "state": State.FAILED,
            "exit_code": 1,
            "reason": Reason.CELL_ERROR,
            "message": "Cell 3 failed: KeyError",
            "cells": CellCounts(total=5, succeeded=3, failed=1, not_run=1),
            "error": error,
            "results": {},
            "packages": {"pandas": "2.3.3", "numpy": "2.3.5"},
        },
        "interrupted": {"state": State.INTERRUPTED, "reason": Reason.CANCELLED, "exit_code": 143, "results": {}},
        "succeeded": {
            "outputs": (table, plot),
            "results": {"mean_delay": 12.3, "carriers": ["AA", "UA"]},
            "packages": {"pandas": "2.3.2"},
        },
    }
    made = {}
    for number, (kind, changes) in enumerate(kinds.items()):
        run_id = a_run_id("flights_delays", began - timedelta(minutes=number))
        notebook = NotebookRecord(id="flights_delays", title="Delays of flights", source="file:///x.ipynb")
        manifest = a_manifest(run_id=run_id, workspace="open", airflow=AIRFLOW, notebook=notebook, **changes)
        record = record_of(bucket, run_id)
        record.write(manifest)
        files = {"notebook.ipynb": a_notebook_json(["import pandas", "x = 1", "y = 2", SOURCE, "z = 3"]).encode()}
        if manifest.sealed:
            files |= {"notebook.html": b"<h1>Delays of flights</h1>", "log.txt": b"cell 0\ncell 1\ncell 2\n"}
        files |= {table.key: TABLE, plot.key: a_picture()}
        for key, content in files.items():
            record.store.write(key, content)
        made[kind] = run_id
    return made
