"""A pod template in a file of its own, beside `workspaces.yaml`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from daybook.workspaces.yaml_reading import UniqueKeys


def read_template(folder: Path, name: str) -> dict[str, Any]:
    """Reads a template.

    Args:
        folder: where `workspaces.yaml` lies.
        name: the file, relative to it.

    Raises:
        ValueError: it lies elsewhere, cannot be read or holds no mapping.
    """
    relative = PurePosixPath(name)
    if relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise ValueError(f"{name!r} must be a file beside workspaces.yaml, named relative to it and without `..`")
    path = folder / relative
    # Resolved, since a link may lead out of the folder; a mounted ConfigMap is made of links that stay within.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} is a link that leads out of the folder of workspaces.yaml")
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), UniqueKeys)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{name!r} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{name!r} must hold a pod as Kubernetes writes it: a mapping with metadata or spec")
    return content
