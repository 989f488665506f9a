"""The kernel's entry among Jupyter's kernels."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

KERNEL_NAME = "databricks"


def kernel_document(python: str = sys.executable) -> dict[str, Any]:
    """What `kernel.json` says; interrupts come as messages, though the kernel understands SIGINT as well."""
    return {
        "argv": [python, "-m", "daybook.databricks", "-f", "{connection_file}"],
        "display_name": "Databricks (Daybook)",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {"debugger": False},
    }


def install(prefix: str | None, *, user: bool) -> Path:
    """Puts the kernel where Jupyter looks for kernels, in place of one of this name.

    Args:
        prefix: an environment's folder; None for the machine's, or the user's.
        user: for this user alone.

    Returns:
        The folder that holds its `kernel.json`.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(kernel_document(), indent=2) + "\n")
        return Path(KernelSpecManager().install_kernel_spec(folder, KERNEL_NAME, user=user, prefix=prefix))
