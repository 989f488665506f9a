"""Spark in notebooks: a warm Connect server beside a session that each notebook starts for itself."""

import itertools
import json
import math
import secrets
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from measure import CHECKOUT, in_turns, keep, medians, ratios, rounds_wanted, seconds, table
from peers import a_notebook
from processes import cost
from psutil import Process

BIN = CHECKOUT / ".venv-notebook" / "bin"
"""Spark, the runner and papermill are all in the notebooks' environment, on the same versions."""
RUNS = 20
HOST, PORT, UI_PORT = "127.0.0.1", 15902, 14902
WARM, CLASSIC = "a warm server, by daybook execute", "a session of its own, by papermill"
TARGETS = "Targets: the first query at most 1.5 s; twenty runs at least five times as fast as papermill."
MARK = "MEASURED "

QUERY = "spark.range(1000).selectExpr('sum(id) AS total').collect()[0].total"
FIRST = f"""
import json, time
began = time.perf_counter()
START
total = {QUERY}
first = time.perf_counter() - began
began = time.perf_counter()
{QUERY}
print("{MARK}" + json.dumps({{"first": first, "second": time.perf_counter() - began, "total": total}}))
"""
ATTACHED = "from daybook.notebook import get_spark_session\nspark = get_spark_session()"
STARTED = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[*]").config("spark.sql.shuffle.partitions", "8").getOrCreate()
"""
PARTS = f"""
import json, os, time
parts, began = {{}}, time.perf_counter()

def part(name):
    global began
    now = time.perf_counter()
    parts[name], began = now - began, now

import daybook.spark.connect
part("import")
import grpc
channel = grpc.insecure_channel("{HOST}:{PORT}")
try:
    grpc.channel_ready_future(channel).result(30)
finally:
    channel.close()
part("channel")
from daybook.notebook import get_spark_session
spark = get_spark_session()
part("session")
spark = get_spark_session(settings={{"spark.sql.shuffle.partitions": 4, "spark.sql.ansi.enabled": True}})
part("settings")
{QUERY}
part("first query")
{QUERY}
part("second query")
print("{MARK}" + json.dumps(parts))
"""


@dataclass(frozen=True)
class Server:
    """A server of these measurements.

    Attributes:
        variables: by which a notebook finds it.
        start_seconds: until it has answered a query.
        process: its Java.
    """

    variables: Mapping[str, str] = field(repr=False)
    start_seconds: float
    process: Process

    @property
    def megabytes(self) -> float:
        """What it holds of memory."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def a_server(folder: Path) -> Iterator[Server]:
    """A Connect server as `daybook up` starts one, until the end of the block."""
    token = secrets.token_urlsafe(32)
    (folder / "token").write_text(token)
    command = [str(BIN / "python"), "-m", "daybook.spark"]
    told = ["--token-file", str(folder / "token")]
    serve = ["serve", "--port", str(PORT), "--ui-port", str(UI_PORT), "--state", str(folder / "server"), *told]
    check = ["check", "--remote", f"sc://{HOST}:{PORT}", "--timeout", "120", *told]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, *serve], stdout=log, stderr=log)
    try:
        took = seconds(lambda: subprocess.run([*command, *check], check=True, capture_output=True))
        variables = {"SPARK_REMOTE": f"sc://{HOST}:{PORT}", "SPARK_CONNECT_AUTHENTICATE_TOKEN": token}
        yield Server(variables, took, Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True)
class Notebooks:
    """Runs notebooks to their end, each in a process of its own.

    Attributes:
        folder: takes what they leave.
        server: which those attach to that want one.
    """

    folder: Path
    server: Server
    _turn: Iterator[int] = field(default_factory=itertools.count, init=False)

    def warm(self, notebook: Path) -> tuple[float, dict[str, float]]:
        """By `daybook execute`, as a pod runs it: seconds, and what the notebook has measured itself."""
        output = self.folder / f"daybook-{next(self._turn)}"
        request = {
            "run_id": f"20130101T000000Z-benchmark-{next(self._turn):010x}",
            "notebook": {"id": "benchmark", "source": str(notebook)},
            "output": str(output),
        }
        took = self._run(["daybook", "execute"], {**self.server.variables, "DAYBOOK_REQUEST": json.dumps(request)})
        return took, measured(output / "notebook.ipynb")

    def classic(self, notebook: Path) -> tuple[float, dict[str, float]]:
        """By papermill, as the peers' users do."""
        output = self.folder / f"papermill-{next(self._turn)}.ipynb"
        took = self._run(["papermill", str(notebook), str(output)], {})
        return took, measured(output)

    def _run(self, command: list[str], variables: Mapping[str, str]) -> float:
        path = {"PATH": f"{BIN}:/usr/bin:/bin", "IPYTHONDIR": str(self.folder / "ipython")}
        found = cost([str(BIN / command[0]), *command[1:]], self.folder, {**path, **variables})
        if found.failure:
            raise SystemExit(f"{command[0]} failed: {found.failure}")
        return found.seconds


def measured(notebook: Path) -> dict[str, float]:
    """What a notebook has printed of its own measurements."""
    cells = json.loads(notebook.read_text())["cells"]
    printed = "".join("".join(out.get("text", "")) for cell in cells for out in cell.get("outputs", ()))
    lines = [line.removeprefix(MARK) for line in printed.splitlines() if line.startswith(MARK)]
    found: dict[str, float] = json.loads(lines[-1])
    return found


def main(runs: int = RUNS) -> None:
    """Measures, prints, keeps."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        attached = a_notebook(folder / "attached.ipynb", [FIRST.replace("START", ATTACHED)])
        started = a_notebook(folder / "started.ipynb", [FIRST.replace("START", STARTED)])
        parts = a_notebook(folder / "parts.ipynb", [PARTS])
        with a_server(folder) as server:
            idle = server.megabytes
            notebooks = Notebooks(folder, server)
            found = in_turns(
                {WARM: lambda: notebooks.warm(attached), CLASSIC: lambda: notebooks.classic(started)},
                runs,
                warm_up=True,
            )
            by_part = [notebooks.warm(parts)[1] for _ in range(max(3, runs // 4))]
            used = server.megabytes
    first = {name: [each["first"] for _, each in values] for name, values in found.items()}
    whole = {name: [took for took, _ in values] for name, values in found.items()}
    show(first, whole, {name: statistics.median(each[name] for each in by_part) for name in by_part[0]})
    print(
        f"\nThe server: up after {server.start_seconds:.1f} s, {idle:.0f} MB when idle, {used:.0f} MB after these runs"
    )
    keep(
        "spark",
        {
            "target": TARGETS,
            "runs": runs,
            "first_query_seconds": {"all": first, "medians": medians(first), "ratios": ratios(first, CLASSIC)},
            "run_seconds": {"all": whole, "medians": medians(whole), "together": {n: sum(v) for n, v in whole.items()}},
            "parts_seconds": by_part,
            "server": {"start_seconds": server.start_seconds, "idle_mb": idle, "used_mb": used},
        },
    )


def show(first: dict[str, list[float]], whole: dict[str, list[float]], parts: dict[str, float]) -> None:
    """Prints the tables."""
    runs = len(first[WARM])
    table(f"The first query of a notebook, median of {runs}", "s", medians(first), CLASSIC, ratios(first, CLASSIC))
    together = {name: math.fsum(values) for name, values in whole.items()}
    table(f"{runs} runs one after another, whole processes", "s", together, CLASSIC)
    print(f"  {together[CLASSIC] / together[WARM]:.1f} times as fast")
    print("\nWhat a run pays for its session, by part (the session's own channel is in it once more)")
    for name, value in parts.items():
        print(f"  {name:<44} {value:10.3f} s")
    print(f"  {TARGETS}")


if __name__ == "__main__":
    main(rounds_wanted(RUNS))
