"""What a kernel adds to a cell that runs on a Databricks cluster: from the request to the last of its messages.

Beside `jupyter-databricks-kernel`, against the stand-in of the tests, with what a line and a cluster take made up: each
request 20 ms, each command at least so long. What is above the command's own time was added, the line's share included.
Both kernels are real ones, in processes of their own; neither brings files along.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from measure import CHECKOUT, in_turns, keep, medians, ratios, rounds_wanted, table
from peers import BIN, make_environment

LINE_SECONDS = 0.02
"""There and back to a cloud's region nearby."""
COMMAND_SECONDS = (0.0, 0.1, 0.3, 1.0, 5.0)
"""A trivial cell takes some tenths of a second on a cluster; the first is what no cluster does."""
CELLS = {0.0: 10, 0.1: 10, 0.3: 10, 1.0: 3, 5.0: 1}
PEER, DAYBOOK = "jupyter-databricks-kernel", "daybook"
MODULES = {PEER: "jupyter_databricks_kernel", DAYBOOK: "daybook.databricks"}
CLUSTER = "0123-456789-abcdefgh"
NO_FILES = "[tool.jupyter-databricks-kernel.sync]\nenabled = false\n"
SECONDS = 300


@contextmanager
def started(name: str, standin: Any, folder: Path) -> Iterator[Any]:
    """A client of the kernel, which has run its first cell."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import KernelManager

    manager = KernelManager()
    argv = [str(BIN / "python"), "-m", MODULES[name], "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name=name)
    environment = {**os.environ, **standin.environment(CLUSTER), "HOME": str(folder)}
    manager.start_kernel(cwd=str(folder), env=environment, stdout=-3, stderr=-3)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        run(client, "x = 1")
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def run(client: Any, source: str) -> None:
    """One cell, until it has been answered and has nothing more to say."""
    reply = client.execute_interactive(source, timeout=SECONDS, output_hook=lambda _: None, allow_stdin=False)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"the cell failed: {reply['content']}")


def added(client: Any, command_seconds: float) -> float:
    """Milliseconds above the command's own, the median of some cells."""
    found = []
    for _ in range(CELLS[command_seconds]):
        began = time.perf_counter()
        run(client, "x")
        found.append(time.perf_counter() - began - command_seconds)
    return 1000 * statistics.median(found)


def main() -> None:
    """Measures both in turns, for commands of each length."""
    make_environment()
    sys.path.insert(0, str(CHECKOUT / "tests"))
    from databricks.standin import StandIn

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place, StandIn() as standin:
        folder = Path(place)
        (folder / "pyproject.toml").write_text(NO_FILES)
        standin.clusters.add(CLUSTER)
        standin.latency_seconds = LINE_SECONDS
        with started(PEER, standin, folder) as theirs, started(DAYBOOK, standin, folder) as ours:
            for command_seconds in COMMAND_SECONDS:
                standin.commands.least_seconds = command_seconds
                work = {PEER: partial(added, theirs, command_seconds), DAYBOOK: partial(added, ours, command_seconds)}
                found = in_turns(work, rounds_wanted())
                middle, beside = medians(found), ratios(found, PEER)
                table(f"added to a cell whose command takes {command_seconds:g} s", "ms", middle, PEER, beside)
                figures[f"{command_seconds:g} s"] = {"ms": middle, "ratios": beside, "rounds": found}
    keep("databricks_cells", {"line_seconds": LINE_SECONDS, "added": figures})


if __name__ == "__main__":
    main()
