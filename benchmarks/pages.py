"""How long pages take with 100,000 runs of 1,000 notebooks in one bucket, a folder and an S3 server.

    .venv/bin/python benchmarks/pages.py [runs [requests]]

The app runs in a process of its own, moto's S3 server in another; one client on loopback asks for page after page. Of
the folder the index is made by the app; of moto, which answers some 200 reads a second, it would take a quarter of an
hour: there the index is given its rows by this script once the first pages are measured, and is looked after as ever.
Beside each first page of moto stands, in the same round, what a bare boto3 client needs for what the page needs at the
least: one listing of today's runs, and that with the records of the runs that are shown first. No page can be faster.
The first pages of moto are measured again with runs as they are soon after midnight, when today has few, or none.
While the environment names a LOCK, the data are made without it and everything is measured while it is held.
"""

import fcntl
import math
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from measure import keep, seconds

from daybook.contract import keys
from daybook.contract.manifest import CellCounts, KernelRecord, Manifest, NotebookRecord, Reason, State, Timings
from daybook.web.history.history import READS_AT_ONCE
from daybook.web.history.refreshing import FIRST_BATCH

NOTEBOOKS, DAYS, USERS = 1_000, 365, 40
FIGURES = ("p50", "p95", "p99")
COLD_ROUNDS, PAUSE_ROUNDS, PAUSE_SECONDS = 40, 20, 5.5
FILLING_SECONDS = 20.0
AFTER_MIDNIGHT = {"today has few runs": 20 * 60.0, "today has no run": 50.0}
"""Seconds; the newest run is a minute older."""
COLD_TARGET_MS, TARGET_MS = 200.0, 100.0
BUCKET = "runs"
ROW = '<td class="what">'
DEEP = ("runs of a month", "runs, page 1,000")
"""These show something only once all runs are in the index."""
S3 = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
ENTRY = {
    "description": "Delays of flights that left a place on a day, über alles, by carrier and hour.",
    "collections": ["flights"],
    "tags": ["delays", "carriers"],
    "inputs": [
        {"name": "origin", "type": "enum", "default": "JFK", "choices": ["JFK", "LGA", "EWR"]},
        {"name": "day", "type": "date", "default": "2013-02-01"},
        {"name": "minimum_delay", "type": "integer", "default": 15, "minimum": 0},
        {"name": "area", "type": "bbox", "default": [-10, 40, 10, 60]},
        {"name": "sources", "type": "url_list", "required": False},
    ],
}
PACKAGES = {f"package-{number}": f"{number}.2.1" for number in range(60)}
HOST = "127.0.0.1"


def manifests(runs: int, now: float) -> Iterator[tuple[str, Manifest]]:
    """Keys and records of runs, spread over the year before now; one in ten failed, and ten still run."""
    for number in range(runs):
        asked_at = datetime.fromtimestamp(now, UTC) - timedelta(seconds=60 + number * DAYS * 86400 / runs)
        notebook = f"notebook_{number * 7919 % NOTEBOOKS:04}"
        run_id = keys.run_id(notebook, asked_at, str(number))
        failed, running = number % 10 == 3, number < runs // 10_000
        yield f"{keys.run_prefix(run_id)}/{keys.MANIFEST}", _manifest(run_id, notebook, asked_at, failed, running)


def _manifest(run_id: str, notebook: str, asked_at: datetime, failed: bool, running: bool) -> Manifest:
    state = State.RUNNING if running else State.FAILED if failed else State.SUCCEEDED
    moment = asked_at.isoformat()
    timings = Timings(queued_at=moment, started_at=moment, finished_at=moment, duration_seconds=12.5)
    return Manifest(
        run_id=run_id,
        state=state,
        reason=Reason.CELL_ERROR if state is State.FAILED else None,
        sealed=not running,
        notebook=NotebookRecord(id=notebook, title=f"Notebook {notebook}", source="/n.ipynb", sha256="0" * 64),
        workspace="bench",
        user=f"user-{int(run_id[-4:], 16) % USERS}",
        parameters={"origin": "JFK", "minimum_delay": 15},
        timings=timings,
        cells=CellCounts(total=5, succeeded=5),
        kernel=KernelRecord(name="python3", language="python", language_version="3.11.7"),
        packages=PACKAGES,
        results={"mean_delay": 12.3},
    )


def fill_folder(folder: Path, runs: int, now: float) -> str:
    """Writes the runs as files; much faster than through the store, which makes each write safe."""

    def write(each: tuple[str, Manifest]) -> None:
        place = folder / each[0]
        place.parent.mkdir(parents=True)
        place.write_text(each[1].to_json())

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(write, manifests(runs, now)):
            pass
    return str(folder)


def serve_s3(port: int, runs: int, now: float, ready: Any) -> None:
    """moto's server, filled from within: through HTTP it takes some 200 objects a second."""
    import logging

    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address=HOST, port=port, verbose=False)
    server.start()
    httpx.put(f"http://{HOST}:{port}/{BUCKET}", timeout=120).raise_for_status()  # the first call imports much
    backend = s3_backends["123456789012"]["aws"]
    for key, manifest in manifests(runs, now):
        backend.put_object(BUCKET, key, manifest.to_json().encode())
    ready.set()
    threading.Event().wait()  # until this process is ended


def give_rows(history: Any, workspace: Any, runs: int, now: float) -> None:
    """Puts into an index what it would have read."""
    from daybook.web.history.reading import Kept, Look

    index, place, days = history._index, history._index.place_of(workspace).place, dict[str, list[Look]]()
    for _, manifest in manifests(runs, now):
        days.setdefault(manifest.run_id[:8], []).append(Look(manifest.run_id, time.time(), Kept.of(manifest)))
    for day, looks in days.items():
        index.take_up_day(place, day, [each.run_id for each in looks], time.time())
        index.take_up(place, looks)
    index.take_up_days(place, list(days), time.time())


def serve_pages(
    port: int, bucket: str, environment: dict[str, str], state: str, runs: int, now: float, began: Any
) -> None:
    """The real app; `POST /fresh` gives it an index that knows nothing yet, `POST /given` the rows of all runs."""
    import uvicorn
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response

    from daybook.catalogue import Catalogue, Notebook
    from daybook.web.app import create_app
    from daybook.web.settings import WebSettings
    from daybook.web.world import World
    from daybook.workspaces import Identity, Workspace, Workspaces

    workspace = Workspace(name="bench", bucket=bucket, members=("*",))
    workspaces = Workspaces(workspaces=(workspace,))
    notebooks = {
        name: Notebook.model_validate({"id": name, "source": "/n.ipynb", **ENTRY, "title": f"Notebook {name}"})
        for name in (f"notebook_{number:04}" for number in range(NOTEBOOKS))
    }
    opened = workspace.open_bucket(environment)

    async def user(_: Request) -> Identity:
        return Identity("user-1")

    def made(number: int) -> Any:
        return create_app(
            World(
                user=user,
                workspaces=lambda: workspaces,
                bucket=lambda _: opened,
                login_url=lambda url: url,
                airflow_url=lambda _: None,
                catalogue=lambda: Catalogue(notebooks, {}, ()),
                settings=WebSettings(mount=""),
                key=b"k" * 32,
                state=Path(state, str(number)),
            )
        )

    class Switch:
        def __init__(self) -> None:
            self.number, self.app = 0, made(0)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/fresh":
                self.app.state.site.history.close()
                self.number += 1
                self.app = made(self.number)
            if scope["path"] == "/given":
                await run_in_threadpool(give_rows, self.app.state.site.history, workspace, runs, now)
            if scope["path"] in ("/fresh", "/given"):
                await Response()(scope, receive, send)
                return
            await self.app(scope, receive, send)

    began.set()
    uvicorn.run(Switch(), host=HOST, port=port, log_level="warning", lifespan="off")


@contextmanager
def process(work: Callable[..., None], *arguments: Any) -> Iterator[None]:
    """A process of our own that runs while the block does; it begins once it has set its last argument."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    started = context.Process(target=work, args=(*arguments, ready), daemon=True)
    started.start()
    try:
        if not ready.wait(900):
            raise TimeoutError(work.__name__)
        yield
    finally:
        started.terminate()
        started.join(30)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])


def timed(client: httpx.Client, path: str) -> tuple[float, str]:
    """Milliseconds and the page."""
    began = time.perf_counter()
    answer = client.get(path)
    took = (time.perf_counter() - began) * 1000
    answer.raise_for_status()
    return took, answer.text


def figures(values: list[float]) -> dict[str, float]:
    """p50, p95, p99 and how many."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 1)

    return {"p50": round(statistics.median(ordered), 1), "p95": at(0.95), "p99": at(0.99), "requests": len(ordered)}


class Bare:
    """What a client of the S3 server alone needs: the floor of a page that knows nothing yet."""

    def __init__(self, url: str, now: float) -> None:
        import boto3

        names = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        self._client = boto3.client("s3", endpoint_url=url, **names)
        self._day = f"{keys.RUNS}/{datetime.fromtimestamp(now, UTC):%Y/%m/%d}/"
        self._pool = ThreadPoolExecutor(READS_AT_ONCE)

    def listing(self) -> list[str]:
        """The prefixes of today's runs, as many as one call gives."""
        found = self._client.list_objects_v2(Bucket=BUCKET, Prefix=self._day, Delimiter="/")
        return [each["Prefix"] for each in found.get("CommonPrefixes", ())]

    def runs(self) -> None:
        """The same, and the newest records, as many as a page shows first."""
        newest = self.listing()[-FIRST_BATCH:]
        list(self._pool.map(self._record, newest))

    def _record(self, prefix: str) -> bytes:
        found = self._client.get_object(Bucket=BUCKET, Key=f"{prefix}{keys.MANIFEST}")
        return bytes(found["Body"].read())


def first_pages(client: httpx.Client, bare: Bare | None) -> dict[str, Any]:
    """How long the first pages of a bucket take of which nothing is known, ms, and what they show."""
    cold, listing, reading = [], [], []
    for _ in range(COLD_ROUNDS):
        cold.append(_cold(client))
        if bare is not None:
            client.post("/fresh").raise_for_status()  # what goes on behind the page ends
            listing.append(seconds(bare.listing) * 1000)
            reading.append(seconds(bare.runs) * 1000)
    shown = [page.count(ROW) for _, page in cold]
    found: dict[str, Any] = {
        "runs, first page, nothing known yet": figures([took for took, _ in cold]),
        "first pages that showed runs": round(sum(rows > 0 for rows in shown) / len(shown), 2),
        "runs that they showed, at the median": statistics.median(shown),
    }
    if bare is not None:
        found["boto3 alone: one listing of today"] = figures(listing)
        found[f"boto3 alone: the same and {FIRST_BATCH} records, if it has so many"] = figures(reading)
    return found


def measure(client: httpx.Client, requests: int, bare: Bare | None) -> dict[str, Any]:
    """All figures of one kind of bucket, ms; of one that takes long to read, rows are given once they are wanted."""
    is_given = bare is not None
    found = first_pages(client, bare)
    began = time.monotonic()
    filling: list[float] = []
    while 'class="notice running"' in (page := timed(client, "/runs"))[1]:
        filling.append(page[0])
        if is_given and time.monotonic() - began > FILLING_SECONDS:
            client.post("/fresh").raise_for_status()
            client.post("/given").raise_for_status()
            is_given = False
        time.sleep(0.2)
    found["index complete after seconds"] = round(time.monotonic() - began, 1)
    found["runs, first page, while older ones are read"] = figures(filling or [page[0]])
    deep = _deep()
    run = _first_run(page[1])
    paths = {
        "runs, first page": "/runs",
        "runs of a notebook": "/runs?notebook=notebook_0500",
        "runs that failed": "/runs?state=failed",
        "runs that run": "/runs?state=running",
        "runs of a user": "/runs?by=user-7",
        "runs of a month": f"/runs?since={datetime.now(UTC) - timedelta(days=230):%Y-%m-%d}"
        f"&until={datetime.now(UTC) - timedelta(days=200):%Y-%m-%d}",
        "runs of a user and a notebook that failed": "/runs?by=user-7&notebook=notebook_0500&state=failed",
        "runs that none fits": "/runs?state=failed&by=nobody",
        "runs, page 1,000": deep,
        "catalogue": "/",
        "catalogue, page 20": "/?page=20",
        "catalogue, three words": "/?q=uber+flight+carriers",
        "run form": "/run/notebook_0500?origin=LGA&day=2024-05-01&area=-1,50,1,52",
        "a run": run,
    }
    for name, path in paths.items():
        answer = client.get(path).raise_for_status()
        if name in DEEP and ROW not in answer.text:
            raise LookupError(f"{name}: none, so the index is not whole")
        found[name] = figures([timed(client, path)[0] for _ in range(requests)])
    found["runs, first page, after a pause"] = figures([_paused(client) for _ in range(PAUSE_ROUNDS)])
    return found


def _cold(client: httpx.Client) -> tuple[float, str]:
    client.post("/fresh").raise_for_status()
    return timed(client, "/runs")


def _paused(client: httpx.Client) -> float:
    time.sleep(PAUSE_SECONDS)
    return timed(client, "/runs")[0]


def _deep() -> str:
    """A page far down; the cursor names a run, so any moment will do."""
    moment = datetime.now(UTC) - timedelta(days=DAYS // 2)
    return f"/runs?after={keys.run_id('x', moment)}.bench"


def _first_run(page: str) -> str:
    at = page.rindex("/runs/bench/")
    return page[at : page.index('"', at)]


def main(runs: int = 100_000, requests: int = 200) -> None:
    """Measures, prints, keeps."""
    found: dict[str, Any] = {}
    scratch, now = Path(tempfile.mkdtemp(prefix="daybook-pages-")), time.time()
    try:
        began = time.monotonic()
        folder = fill_folder(scratch / "bucket", runs, now)
        print(f"{runs} runs written in {time.monotonic() - began:.0f} s")
        port, began = free_port(), time.monotonic()
        with process(serve_s3, port, runs, now):
            print(f"{runs} runs put in {time.monotonic() - began:.0f} s")
            environment = {**S3, "AWS_ENDPOINT_URL": f"http://{HOST}:{port}"}
            with alone():
                for name, url, given in (("folder", folder, {}), ("moto", f"s3://{BUCKET}", environment)):
                    with served(url, given, scratch / name, runs, now) as (client, bare):
                        found[name] = told(name, measure(client, requests, bare))
                    _keep(runs, found)
        for name, seconds_of_day in AFTER_MIDNIGHT.items():
            found[f"moto, {name}"] = _after_midnight(name, seconds_of_day, scratch / name, runs, now)
            _keep(runs, found)
    finally:
        shutil.rmtree(scratch)


@contextmanager
def alone() -> Iterator[None]:
    """Holds the file that LOCK names, by which those who measure on one machine take turns."""
    name = os.environ.get("LOCK")
    with Path(name or os.devnull).open("w") as file:
        if name:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _keep(runs: int, found: dict[str, Any]) -> None:
    targets = {"first page, nothing known yet": COLD_TARGET_MS, "others": TARGET_MS}
    keep("pages", {"unit": "ms", "runs": runs, "notebooks": NOTEBOOKS, "targets_p95": targets, **found})


@contextmanager
def served(
    bucket: str, environment: dict[str, str], state: Path, runs: int, now: float
) -> Iterator[tuple[httpx.Client, Bare | None]]:
    """The app over a bucket, and for one on a server a client of that alone."""
    port = free_port()
    serving = process(serve_pages, port, bucket, environment, str(state), runs, now)
    with serving, httpx.Client(base_url=f"http://{HOST}:{port}", timeout=120) as client:
        _until_it_answers(client)
        yield client, Bare(environment["AWS_ENDPOINT_URL"], now) if environment else None


def _after_midnight(name: str, seconds_of_day: float, state: Path, runs: int, now: float) -> dict[str, Any]:
    """The first pages of a bucket whose newest runs are of the last midnight, and a bit."""
    port, then = free_port(), now // 86400 * 86400 + seconds_of_day
    environment = {**S3, "AWS_ENDPOINT_URL": f"http://{HOST}:{port}"}
    with (
        process(serve_s3, port, runs, then),
        alone(),
        served(f"s3://{BUCKET}", environment, state, runs, then) as (client, bare),
    ):
        return told(f"moto, {name}", first_pages(client, bare))


def told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Prints what was found, with how busy the machine was, and gives it back."""
    found["load at the end"] = round(os.getloadavg()[0], 1)
    print(f"\n{name + ': ms':<48}      p50      p95      p99")
    for title, each in found.items():
        values = f"{each:>9}" if not isinstance(each, dict) else "".join(f"{each[p]:9.1f}" for p in FIGURES)
        print(f"  {title:<52}{values}", flush=True)
    return found


def _until_it_answers(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.get("/static/daybook.css").raise_for_status()
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
