"""200 people who watch runs go on: how long after a cell's end each of them knows, and what it costs the server.

The real app under uvicorn in a process of its own, on a folder as bucket. Runs rewrite their manifests as the runner
does: when a cell has ended, but at most once a second. The viewers hold their streams of server-sent events open over
loopback. Wanted is that all of them know of a cell's end within two seconds.
"""

import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from measure import keep

from daybook.contract import keys
from daybook.contract.manifest import CellCounts, Manifest, NotebookRecord, State, Timings
from daybook.storage import open_store, record_of

VIEWERS = 200
SECONDS = 30
CELL_SECONDS = (0.1, 2.5)
PROGRESS_SECONDS = 1.0
"""How often the runner rewrites a manifest at most; see `runner.recorder`."""


def serve(bucket: str, port: int) -> None:
    """Serves the app; in the process that this script starts."""
    import uvicorn

    from daybook.web.app import create_app
    from daybook.web.settings import WebSettings
    from daybook.web.world import World
    from daybook.workspaces import Identity, Workspace, Workspaces

    async def user(request: object) -> Identity:
        return Identity(request.headers["x-user"])  # type: ignore[attr-defined]

    found = Workspaces(workspaces=(Workspace(name="local", bucket=bucket, members=("*",)),))
    store = open_store(bucket)
    world = World(
        user=user,
        workspaces=lambda: found,
        bucket=lambda _: store,
        login_url=lambda _: "/",
        airflow_url=lambda _: None,
        settings=WebSettings(mount=""),
    )
    uvicorn.run(create_app(world), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1)


def manifest(run_id: str, cell: int, ended: float) -> Manifest:
    """The record of a run; its message tells when the last cell ended."""
    now = datetime.now(UTC).isoformat()
    return Manifest(
        run_id=run_id,
        state=State.RUNNING,
        notebook=NotebookRecord(id="viewed", source="file:///viewed.ipynb"),
        workspace="local",
        parameters={f"input_{n}": n for n in range(20)},
        cells=CellCounts(total=10_000, succeeded=cell, current=cell),
        timings=Timings(started_at=now, updated_at=now),
        message=repr(ended),
    )


class Runner(threading.Thread):
    """Writes the record of one run as its runner does: when a cell has ended, but at most once a second."""

    def __init__(self, bucket: str, run_id: str) -> None:
        super().__init__()
        self._record = record_of(open_store(bucket), run_id)
        self._run_id = run_id
        self._over = threading.Event()
        self._record.write(manifest(run_id, 0, time.time()))

    def run(self) -> None:
        """Runs cells until it is stopped; the record tells of the oldest end that it did not tell of before."""
        cell, written = 0, 0.0
        while not self._over.wait(random.uniform(*CELL_SECONDS)):
            cell, ended = cell + 1, time.time()
            self._over.wait(max(0.0, written + PROGRESS_SECONDS - ended))
            self._record.write(manifest(self._run_id, cell, ended))
            written = time.time()

    def stop(self) -> None:
        """Ends it."""
        self._over.set()
        self.join()


async def view(port: int, run_id: str, name: str, until: float, delays: list[float]) -> None:
    """Watches a run, and notes how long ago the cell had ended when it was told. Comes again where an answer ends."""
    request = f"GET /api/v1/runs/local/{run_id}/events HTTP/1.1\r\nHost: x\r\nX-User: {name}\r\n\r\n".encode()
    while time.time() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        is_first = True
        try:
            async with asyncio.timeout(until - time.time()):
                while line := await reader.readline():
                    if not line.startswith(b'data: {"run_id"'):
                        continue
                    ended = float(json.loads(line[6:])["message"])
                    # The first tells what has been known for a while.
                    if not is_first:
                        delays.append(time.time() - ended)
                    is_first = False
        except TimeoutError:
            pass
        finally:
            writer.close()


async def watch(port: int, run_ids: list[str]) -> list[float]:
    """All viewers, spread over the runs."""
    delays: list[float] = []
    until = time.time() + SECONDS
    await asyncio.gather(*(view(port, run_ids[n % len(run_ids)], f"user{n}", until, delays) for n in range(VIEWERS)))
    return delays


def measured(runs: int) -> dict[str, float]:
    """Delays of all viewers of so many runs, in seconds, and the share of a core that the server took."""
    run_ids = [keys.run_id("viewed", datetime.now(UTC), str(n)) for n in range(runs)]
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        runners = [Runner(folder, run_id) for run_id in run_ids]
        command = [sys.executable, __file__, "serve", folder, str(port)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"}) as server:
            try:
                wait_for(port)
                for each in runners:
                    each.start()
                process = psutil.Process(server.pid)
                before = sum(process.cpu_times()[:2])
                began = time.time()
                delays = sorted(asyncio.run(watch(port, run_ids)))
                cpu = (sum(process.cpu_times()[:2]) - before) / (time.time() - began)
                memory = process.memory_info().rss / 1e6
                for each in runners:
                    each.stop()
            finally:
                server.terminate()
    return {
        "events": len(delays),
        "p50": statistics.median(delays),
        "p95": delays[int(len(delays) * 0.95)],
        "max": delays[-1],
        "server_cores": cpu,
        "server_mb": memory,
    }


def wait_for(port: int) -> None:
    """Waits until the server takes connections."""
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def main() -> None:
    """Measures, prints, keeps."""
    found = {f"{VIEWERS} viewers of {runs} run{'s' if runs > 1 else ''}": measured(runs) for runs in (1, 20)}
    print(f"\nFrom a cell's end to the viewer, {SECONDS} s long")
    for name, figures in found.items():
        delays = "  ".join(f"{each} {figures[each]:.2f} s" for each in ("p50", "p95", "max"))
        print(f"  {name:<26} {delays}  server {figures['server_cores']:.2f} cores, {figures['server_mb']:.0f} MB")
    keep("viewers", {"unit": "s", "seconds": SECONDS, "found": found})


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(str(Path(sys.argv[2])), int(sys.argv[3]))
    else:
        main()
