"""Images: on this machine the name of an image stands for a Python environment.

The images file is one JSON object: `{"daybook/notebook": {"prefix": "/path/to/env", "entrypoint": ["/path/to/env/bin/
daybook"], "env": {"PATH": "…"}}}`. It is read again at each look, as a registry would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from daybook.contract.errors import Fault, InvalidSettings

_SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_REGISTRY: Final = re.compile(r"[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?(:\d+)?", re.ASCII)
_REFERENCE: Final = re.compile(
    r"(?P<name>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z0-9_+.-]+:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Image:
    """One environment that containers can run in.

    Attributes:
        name: without registry, tag and digest.
        prefix: the environment's folder; its `bin` comes first on PATH.
        entrypoint: the command of a container that names none.
        env: more variables; they win over what localpods sets.
    """

    name: str
    prefix: Path
    entrypoint: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What a container of this image starts with."""
        return {"PATH": f"{self.prefix}/bin:{_SYSTEM_PATH}", **self.env}


class ImageProblem(Exception):
    """An image cannot be used now.

    Attributes:
        reason: what Kubernetes would call it.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def repository(reference: str) -> str:
    """The name in an image reference, without registry, tag and digest.

    The first part is a registry when it has a dot or a port or is `localhost`, as everywhere.

    Raises:
        ImageProblem: InvalidImageName.
    """
    first, slash, rest = reference.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    match = _REFERENCE.fullmatch(rest if has_registry else reference)
    if match is None or (has_registry and _REGISTRY.fullmatch(first) is None):
        raise ImageProblem("InvalidImageName", f'couldn\'t parse image name "{reference}": invalid reference format')
    return match["name"]


def find_image(path: Path, reference: str) -> Image:
    """The image that a reference names.

    Raises:
        ImageProblem: the reference is malformed, there is no such image, or the images file is broken.
    """
    name = repository(reference)
    try:
        images = load_images(path)
    except InvalidSettings as problem:
        raise ImageProblem("ErrImagePull", str(problem)) from problem
    if name not in images:
        known = ", ".join(sorted(images)) or "none"
        raise ImageProblem("ErrImagePull", f'no image "{name}" on this machine; images that exist: {known}')
    return images[name]


def load_images(path: Path) -> dict[str, Image]:
    """Every image of an images file.

    Raises:
        InvalidSettings: the file cannot be read, or with everything that is wrong in it.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise InvalidSettings("the images file cannot be read", [Fault(str(path), str(problem))]) from problem
    if not isinstance(content, dict):
        raise InvalidSettings("the images file is not as it must be", [Fault(str(path), "must be a JSON object")])
    faults = [fault for name, entry in content.items() for fault in _faults(name, entry)]
    if faults:
        raise InvalidSettings(f"the images file {path} is not as it must be", faults)
    return {name: _image(name, entry) for name, entry in content.items()}


def _faults(name: str, entry: Any) -> list[Fault]:
    if not isinstance(entry, dict):
        return [Fault(name, "must be an object with prefix and entrypoint")]
    faults = []
    if _REFERENCE.fullmatch(name) is None or repository(name) != name:
        faults.append(Fault(name, "must be an image's name without registry, tag and digest"))
    if not (isinstance(entry.get("prefix"), str) and Path(entry["prefix"]).is_absolute()):
        faults.append(Fault(f"{name}.prefix", "must be the absolute path of an environment's folder"))
    entrypoint = entry.get("entrypoint")
    if not (isinstance(entrypoint, list) and entrypoint and all(isinstance(one, str) for one in entrypoint)):
        faults.append(Fault(f"{name}.entrypoint", "must be a list of at least one string"))
    env = entry.get("env", {})
    if not (isinstance(env, dict) and all(isinstance(value, str) for value in env.values())):
        faults.append(Fault(f"{name}.env", "must be an object of strings"))
    unknown = sorted(set(entry) - {"prefix", "entrypoint", "env"})
    return faults + [Fault(f"{name}.{key}", "is not a setting of an image") for key in unknown]


def _image(name: str, entry: dict[str, Any]) -> Image:
    return Image(name, Path(entry["prefix"]), tuple(entry["entrypoint"]), dict(entry.get("env", {})))
