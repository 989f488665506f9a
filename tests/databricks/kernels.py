"""Real kernels on the stand-in, in processes of their own, as Jupyter starts them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell, new_notebook

from daybook.databricks.kernelspec import KERNEL_NAME, kernel_document

SECONDS = 240
PATIENT = """from daybook.databricks import kernel, python_process
kernel.END_SECONDS = kernel.END_OF_RUN_SECONDS = python_process.ASK_SECONDS = 240.0
import daybook.databricks.__main__
daybook.databricks.__main__.main()
"""
"""The kernel's program, with more time for its end and for small questions: a busy machine needs it."""


def jupyter_folder(folder: Path, **changes: Any) -> Path:
    """A folder for `JUPYTER_PATH` that holds the kernelspec."""
    place = folder / "kernels" / KERNEL_NAME
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps({**kernel_document(), **changes}))
    return folder


def program_in(folder: Path, text: str = PATIENT) -> list[str]:
    """The command line of a kernel that is a program of its own, which is put into this folder."""
    program = folder / "program.py"
    program.write_text(text)
    return [sys.executable, str(program), "-f", "{connection_file}"]


def notebook(*sources: str, **metadata: Any) -> Any:
    """A notebook for this kernel."""
    spec = {"name": KERNEL_NAME, "display_name": "Databricks", "language": "python"}
    cells = [new_code_cell(source) for source in sources]
    return new_notebook(cells=cells, metadata={"kernelspec": spec, "language_info": {"name": "python"}, **metadata})


@dataclass
class Ran:
    """What came of one request."""

    reply: dict[str, Any] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def printed(self) -> str:
        return "".join(each["text"] for each in self.outputs if "text" in each)


class Kernel:
    """A kernel, and one client of it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def begin(self, source: str, *, watched: bool = False) -> str:
        self.client.allow_stdin = watched
        return str(self.client.execute(source))

    def ended(self, asked: str) -> Ran:
        """Waits for a cell's end."""
        ran = Ran()
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
            if message["msg_type"] not in ("status", "execute_input"):
                ran.outputs.append(message["content"])
        while not ran.reply:
            reply = self.client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == asked:
                ran.reply = reply["content"]
        return ran

    def run(self, source: str, *, watched: bool = False) -> Ran:
        return self.ended(self.begin(source, watched=watched))

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ask_control(self, kind: str) -> dict[str, Any]:
        message = self.client.session.msg(kind, {})
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return dict(reply["content"])

    def silent(self) -> bool:
        """Whether nothing has been said since one looked last."""
        try:
            self.client.get_iopub_msg(timeout=0.2)
        except Empty:
            return True
        return False


@contextmanager
def started(environment: dict[str, str], folder: Path) -> Iterator[Kernel]:
    """A kernel until the end of the block."""
    manager = KernelManager(kernel_name=KERNEL_NAME, shutdown_wait_time=4 * SECONDS)
    manager.start_kernel(cwd=str(folder), env={**os.environ, **environment}, stdout=-3, stderr=-3)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=not manager.is_alive())
