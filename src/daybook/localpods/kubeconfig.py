"""The kubeconfig that lets kubectl and Airflow reach localpods."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from daybook.localpods.files import write_atomically

_NAME: Final = "localpods"


def authority_file(state: Path) -> Path:
    """The certificate that clients are to trust, below a state folder; there once localpods has started."""
    return state / "tls" / "ca.crt"


def write_kubeconfig(path: Path, port: int, token: str, authority: Path, namespace: str = "default") -> None:
    """Writes a kubeconfig that only its owner can read.

    The server is named by https: kubectl sends no token otherwise.

    Args:
        path: the file; its folder must exist.
        port: of localpods, on 127.0.0.1.
        token: the bearer token.
        authority: the certificate to trust, `authority_file` of the state folder. It need not exist yet.
        namespace: where commands act that name none.
    """
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority.absolute())}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [{"name": _NAME, "cluster": cluster}],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": namespace}}],
    }
    write_atomically(path, yaml.safe_dump(content, sort_keys=False).encode())
