"""Bringing 5,000 files of 200 MB to a Databricks driver: for the first time, with one byte changed, and unchanged.

Beside `jupyter-databricks-kernel`, against the stand-in of the tests: a server on this machine that runs what it is
sent. Each synchroniser is a process of its own, as a kernel is; what travels is counted by the server. There is no line
between them, which favours whoever sends much.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from measure import CHECKOUT, keep, table
from peers import BIN, make_environment

FILES, FILE_BYTES = 5000, 40_000
PEER, DAYBOOK = "jupyter-databricks-kernel", "daybook"
CLUSTER = "0123-456789-abcdefgh"
STEPS = ("first", "unchanged", "one byte", "unchanged again")


def make_project(folder: Path) -> Path:
    """Half of it text, half of it dense; the file that will change is among the dense."""
    chance = random.Random(1)
    words = [f"word_{number} = {chance.random()}\n" for number in range(5000)]
    for number in range(FILES):
        file = folder / f"package_{number % 50}" / f"file_{number}.{'py' if number % 2 else 'bin'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(chance.choices(words, k=FILE_BYTES // 20)).encode()[:FILE_BYTES]
        file.write_bytes(text if number % 2 else chance.randbytes(FILE_BYTES))
    return folder / "package_0" / "file_0.bin"


def flip_a_byte(file: Path) -> None:
    """Changes one byte in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def by_daybook() -> Callable[[], object]:
    """What Daybook's kernel does before a cell."""
    from databricks.sdk.service.compute import Language

    from daybook.databricks.cluster import Cluster
    from daybook.databricks.commands import Command
    from daybook.databricks.connection import connect
    from daybook.databricks.context import Context
    from daybook.databricks.interruption import Interruption
    from daybook.databricks.settings import Settings, SyncSettings
    from daybook.databricks.sync import synchroniser

    settings, interruption = Settings(cluster_id=CLUSTER, sync=SyncSettings(source=Path.cwd())), Interruption()
    connection = connect(settings, interruption)
    cluster = Cluster(connection, settings.limits, interruption)
    context = Context(connection, cluster, settings.limits, interruption, Language.PYTHON)
    context.open()

    class Remote:
        def run_python(self, code: str, *, limit_seconds: float | None = None) -> str:
            told = Command(context).run(code, limit_seconds)
            return str(told.results.data) if told.results else ""

    sync = synchroniser(settings.sync, connection.client)
    return lambda: sync.synchronise(Remote())


def by_the_peer() -> Callable[[], object]:
    """What the peer's kernel does before a cell, without its messages."""
    from jupyter_databricks_kernel.config import Config
    from jupyter_databricks_kernel.executor import DatabricksExecutor
    from jupyter_databricks_kernel.sync import FileSync

    config = Config.load()
    executor, sync = DatabricksExecutor(config), FileSync(config, "benchmark")
    executor.create_context()

    def work() -> None:
        if sync.needs_sync():
            stats = sync.sync(executor=executor)
            for _, code in sync.get_setup_steps(stats.cluster_zip_path):
                result = executor.execute(code, allow_reconnect=False)
                if result.status != "ok":
                    raise RuntimeError(result.error)

    return work


def serve_steps(name: str) -> None:
    """What a synchroniser's process does: one step for each line, and tells what it took."""
    work = {DAYBOOK: by_daybook, PEER: by_the_peer}[name]()
    before = _peak_megabytes()
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        work()
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        print(json.dumps({**took, "above_mb": _peak_megabytes() - before}), flush=True)


def _peak_megabytes() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def measured(name: str, standin: Any, folder: Path) -> dict[str, dict[str, float]]:
    """All steps of one synchroniser, on a project of its own."""
    project = folder / name / "project"
    changing = make_project(project)
    time.sleep(2.5)  # files that were just written are not believed yet, in a project as in git
    standin.commands.all.clear()
    environment = {**standin.environment(CLUSTER), "HOME": str(folder / name), "PATH": os.environ["PATH"]}
    found = {}
    with subprocess.Popen(
        [str(BIN / "python"), __file__, "serve", name],
        cwd=project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        for step in STEPS:
            if step == "one byte":
                flip_a_byte(changing)
            before = len(standin.asked)
            print(step, file=process.stdin, flush=True)
            told = json.loads(process.stdout.readline())
            asked = standin.asked[before:]
            told.update(megabytes=sum(each.request_bytes for each in asked) / 2**20, requests=len(asked))
            found[step] = told
            print(f"  {name}, {step}: {told}", flush=True)
        process.stdin.close()
    return found


def main() -> None:
    """Measures, prints, keeps."""
    make_environment()
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from databricks.standin import StandIn

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (DAYBOOK, PEER):
            with closing(StandIn(Path(folder, f"standin-{name}"))) as standin:
                standin.clusters.add(CLUSTER)
                found[name] = measured(name, standin, Path(folder))
    for step in STEPS:
        for figure, unit in (("seconds", "s"), ("megabytes", "MB"), ("requests", ""), ("above_mb", "MB")):
            figures = {name: each[step][figure] or 1e-9 for name, each in found.items()}
            table(f"{step}: {figure}", unit, figures, PEER)
    keep("databricks_sync", {"files": FILES, "bytes": FILES * FILE_BYTES, "peer": PEER, "steps": found})


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve_steps(sys.argv[2])
    else:
        main()
