"""What localpods and its clients read: kubeconfig, image names, secrets of pods."""

from __future__ import annotations

import json

import yaml

from daybook.cli.stack.files import minted, write_if_changed
from daybook.cli.stack.ports import LOOPBACK, Ports
from daybook.cli.stack.project import Project

NOTEBOOK_IMAGE = "daybook/notebook"
_NAME = "daybook-local"


def pods_url(ports: Ports) -> str:
    """Where localpods answers."""
    return f"http://{LOOPBACK}:{ports.pods}"


def write_kubeconfig(project: Project, ports: Ports) -> None:
    """Writes the kubeconfig of localpods, mode 0600, for it holds the token."""
    token = minted(project.pods_token)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": _NAME,
        "clusters": [{"name": _NAME, "cluster": {"server": pods_url(ports)}}],
        "users": [{"name": _NAME, "user": {"token": token}}],
        "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME, "namespace": "default"}}],
    }
    write_if_changed(project.kubeconfig, yaml.safe_dump(document, sort_keys=False))


def write_images(project: Project) -> None:
    """Writes which environment stands for which image: the notebook environment, through its `daybook` command."""
    prefix = project.notebook_environment
    images = {NOTEBOOK_IMAGE: {"prefix": str(prefix), "entrypoint": [str(prefix / "bin" / "daybook")]}}
    write_if_changed(project.images, json.dumps(images, indent=2) + "\n")
