"""The kubeconfig that lets kubectl and Airflow reach localpods."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from daybook.localpods.files import write_atomically

_NAME: Final = "localpods"


def write_kubeconfig(path: Path, server: str, token: str, namespace: str = "default") -> None:
    """Writes a kubeconfig that only its owner can read.

    Args:
        path: the file; its folder must exist.
        server: such as `http://127.0.0.1:6440`.
        token: the bearer token.
        namespace: where commands act that name none.
    """
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [{"name": _NAME, "cluster": {"server": server}}],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}],
    }
    write_atomically(path, yaml.safe_dump(content, sort_keys=False).encode())
