"""Which kernels there are on this machine, and which of them a notebook gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import util
from pathlib import Path
from typing import Any

from daybook.contract.errors import Fault, InvalidRequest, KernelUnavailable
from daybook.runner.document import language_of

NATIVE_KERNEL = "python3"
"""What Jupyter calls the kernel of its own Python; a notebook that says nothing gets it."""
_ALIASES = {"python": NATIVE_KERNEL}


@dataclass(frozen=True)
class KernelSpec:
    """An installed kernel.

    Attributes:
        name: what notebooks name it by.
        language: in lower case.
        argv: its command line, with `{connection_file}` and `{resource_dir}` to be filled in.
        environment: variables it wants, beyond the process's own.
        interrupted_by_message: whether it wants a message in place of SIGINT.
        folder: where its files lie.
    """

    name: str
    language: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    interrupted_by_message: bool = False
    folder: Path | None = None


def installed() -> dict[str, KernelSpec]:
    """The kernels that Jupyter finds here, by name; the first of a name counts, broken ones are passed over."""
    from jupyter_core.paths import jupyter_path

    found: dict[str, KernelSpec] = {}
    for folder in map(Path, jupyter_path("kernels")):
        for path in sorted(folder.glob("*/kernel.json")):
            name = path.parent.name.lower()
            spec = _read(name, path)
            if spec is not None:
                found.setdefault(name, spec)
    if NATIVE_KERNEL not in found and util.find_spec("ipykernel") is not None:
        argv = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")
        found[NATIVE_KERNEL] = KernelSpec(NATIVE_KERNEL, "python", argv)
    return found


def choose(document: Mapping[str, Any], wanted: str | None, kernels: Mapping[str, KernelSpec]) -> KernelSpec:
    """The kernel for a notebook: the one wanted, else the one it names, else one of its language, else Python's.

    Args:
        document: the notebook.
        wanted: a kernel name that overrides the notebook's own.
        kernels: those installed.

    Raises:
        InvalidRequest: the kernel named, or one of the language, is not there; lists those that are.
        KernelUnavailable: there is none at all.
    """
    if not kernels:
        raise KernelUnavailable("no kernel is installed here; install ipykernel into the notebook environment")
    named = wanted or _named_by(document)
    if named is not None:
        found = kernels.get(_ALIASES.get(named.lower(), named.lower()))
        if found is None:
            raise _unknown(f"there is no kernel {named!r}", named, kernels)
        return found
    language = language_of(document) or "python"
    if language == "python" and NATIVE_KERNEL in kernels:
        return kernels[NATIVE_KERNEL]
    for spec in kernels.values():
        if spec.language == language:
            return spec
    raise _unknown(f"there is no kernel for the language {language!r}", language, kernels)


def _named_by(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, Mapping) else None
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) and name else None


def _unknown(message: str, named: str, kernels: Mapping[str, KernelSpec]) -> InvalidRequest:
    there_are = ", ".join(f"{spec.name} ({spec.language})" for spec in kernels.values())
    close = get_close_matches(named.lower(), list(kernels), n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return InvalidRequest("unknown kernel", [Fault("kernel", f"{message}; {hint}installed are: {there_are}")])


def _read(name: str, path: Path) -> KernelSpec | None:
    try:
        given = json.loads(path.read_text())
        return KernelSpec(
            name=name,
            language=str(given.get("language", "")).lower(),
            argv=tuple(map(str, given["argv"])),
            environment={str(key): str(value) for key, value in (given.get("env") or {}).items()},
            interrupted_by_message=given.get("interrupt_mode") == "message",
            folder=path.parent,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
