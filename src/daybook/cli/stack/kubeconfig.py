"""What localpods and its clients read: kubeconfig and image names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from daybook.cli.stack.files import minted, write_if_changed
from daybook.cli.stack.ports import LOOPBACK, Ports
from daybook.cli.stack.project import Project
from daybook.localpods.kubeconfig import write_kubeconfig as write_for_localpods

NOTEBOOK_IMAGE = "daybook/notebook"
SPARK_IMAGE = "daybook/spark"
_AUTHORITY = Path("tls") / "ca.crt"
"""Where localpods keeps the certificate to trust, below its state folder. Its module for it loads cryptography."""


def pods_url(ports: Ports) -> str:
    """Where localpods answers this machine's own commands; kubectl and Airflow speak TLS on the same port."""
    return f"http://{LOOPBACK}:{ports.pods}"


def write_kubeconfig(project: Project, ports: Ports) -> None:
    """Writes the kubeconfig of localpods, mode 0600, for it holds the token."""
    write_for_localpods(project.kubeconfig, ports.pods, minted(project.pods_token), project.pods_state / _AUTHORITY)


def write_images(project: Project, environment: Mapping[str, str] | None = None) -> None:
    """Writes which environment stands for which image: the notebook environment, through its commands.

    A pod gets nothing of anybody's environment, so where the user's Java is, Spark servers are told here.
    """
    prefix = project.notebook_environment
    java = {name: home for name in ("JAVA_HOME",) if (home := (environment or {}).get(name))}
    images = {
        NOTEBOOK_IMAGE: {"prefix": str(prefix), "entrypoint": [str(prefix / "bin" / "daybook")]},
        SPARK_IMAGE: {
            "prefix": str(prefix),
            "entrypoint": [str(prefix / "bin" / "python"), "-m", "daybook.spark"],
            "env": java,
        },
    }
    write_if_changed(project.images, json.dumps(images, indent=2) + "\n")
