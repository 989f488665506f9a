"""Runners as processes of their own, as pods start them."""

import json
import os
import signal
import subprocess
import sys
import time

from builders import a_request
from daybook.contract.request import NotebookSource
from runner.runs import Run, notebook_of


class Pods:
    """Starts runners, each in a folder of its own; ends those that still run."""

    def __init__(self, root):
        self.root = root
        self.started = []

    def __call__(self, *cells, variables=None, **changes):
        folder = self.root / f"pod{len(self.started)}"
        folder.mkdir(exist_ok=True)  # a test may have put a bucket there
        (folder / "given.ipynb").write_text(json.dumps(notebook_of(*cells)))
        asked = {
            "notebook": NotebookSource(id="example", source=str(folder / "given.ipynb")),
            "parameters": {},
            "output": (folder / "bucket").as_uri(),
            **changes,
        }
        request = a_request(**asked)
        environment = {name: value for name, value in os.environ.items() if name != "TMPDIR"}
        work = folder / "work"
        work.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "daybook.runner"],
            cwd=work,
            env={**environment, "DAYBOOK_REQUEST": request.to_json(), **(variables or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process, Run(None, folder / "bucket", "", work)

    def end(self):
        """Ends what still runs."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


def wait_until(true, process, seconds=200):
    """Waits for something to be true while a process runs."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
