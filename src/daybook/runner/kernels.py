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

from daybook.contract.databricks import DATABRICKS_KERNEL, HOST_VARIABLE, is_databricks
from daybook.contract.errors import Fault, InvalidRequest, KernelUnavailable
from daybook.contract.variables import REQUEST_VARIABLE
from daybook.runner.document import language_of

NATIVE_KERNEL = "python3"
"""What Jupyter calls the kernel of its own Python; a notebook that says nothing gets it."""
DATABRICKS_MODULE = "daybook.databricks"
"""What is started for the kernel `databricks`, with `python -m`; by name, for this room knows nothing of that one."""
_ALIASES = {"python": NATIVE_KERNEL}
_LANGUAGES = {"python": "python", "python3": "python", "ipython": "python", "ipython3": "python"}
"""What the language of a Python kernel is called here and there."""


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

    @property
    def is_remote(self) -> bool:
        """Whether its cells are executed on a cluster: what stands around its process here says nothing of theirs."""
        return DATABRICKS_MODULE in self.argv


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
    if DATABRICKS_KERNEL not in found and _has_databricks():
        argv = (sys.executable, "-m", DATABRICKS_MODULE, "-f", "{connection_file}")
        found[DATABRICKS_KERNEL] = KernelSpec(DATABRICKS_KERNEL, "python", argv, interrupted_by_message=True)
    return found


def _has_databricks() -> bool:
    """Whether what the kernel `databricks` needs is installed: then it is there without a kernelspec, too."""
    try:
        return all(util.find_spec(name) is not None for name in ("ipykernel", "databricks.sdk"))
    except ImportError:  # there is no package `databricks` at all
        return False


def choose(document: Mapping[str, Any], wanted: str | None, kernels: Mapping[str, KernelSpec]) -> KernelSpec:
    """The kernel for a notebook: the one wanted, else the one it names, else one of its language, else Python's.

    A kernel that is wanted must be there. One that only the notebook names is often called so on its author's machine
    alone (`conda-env-x-py`, `julia-1.6`): another of the language takes its place, as `substitution` then tells.

    Args:
        document: the notebook.
        wanted: a kernel name that overrides the notebook's own.
        kernels: those installed.

    Raises:
        InvalidRequest: the kernel wanted, or one of the language, is not there; lists those that are.
        KernelUnavailable: there is none at all.
    """
    if not kernels:
        raise KernelUnavailable("no kernel is installed here; install ipykernel into the notebook environment")
    named = wanted or _named_by(document)
    found = _find(named, kernels) if named is not None else None
    if found is not None:
        return found
    language = language_of(document)
    if named is not None and (wanted or language is None):
        raise _unknown(f"there is no kernel {named!r}", named, kernels)
    if named is not None and _is_python_2(document, named):
        # Python 3 would run much of it, and divide integers otherwise.
        raise _unknown(f"there is no kernel {named!r}, and the notebook is written for Python 2", None, kernels)
    found = _of_language(language or "python", kernels)
    if found is not None:
        return found
    also = f"there is no kernel {named!r}, nor another" if named is not None else "there is no kernel"
    raise _unknown(f"{also} for the language {language!r}", named or language, kernels)


def require_cluster(chosen: KernelSpec, wanted: str | None, environment: Mapping[str, str]) -> None:
    """Refuses a kernel that only the notebook names and whose cluster the pod was therefore told nothing of.

    Raises:
        InvalidRequest: with the way out.
    """
    told = is_databricks(wanted) or HOST_VARIABLE in environment
    if chosen.is_remote and not told and REQUEST_VARIABLE in environment:
        message = (
            f"the notebook itself names the kernel {chosen.name!r}, and only a run that asks for it gets a "
            "workspace's cluster: say `kernel: databricks` under `run` in its entry, or choose that kernel for the run"
        )
        raise InvalidRequest("there is no cluster to run on", [Fault("run.kernel", message)])


def substitution(document: Mapping[str, Any], wanted: str | None, chosen: KernelSpec) -> str | None:
    """What the log is to say where the chosen kernel is not the one that the notebook names; None where it is."""
    named = wanted or _named_by(document)
    if named is None or _find(named, {chosen.name: chosen}):
        return None
    return f"kernel {named!r}, which the notebook names, is not installed here; kernel {chosen.name!r} takes its place"


def _find(named: str, kernels: Mapping[str, KernelSpec]) -> KernelSpec | None:
    name = named.lower()
    return kernels.get(name) or kernels.get(_ALIASES.get(name, name))


def _of_language(language: str, kernels: Mapping[str, KernelSpec]) -> KernelSpec | None:
    language = _LANGUAGES.get(language, language)
    if language == "python" and NATIVE_KERNEL in kernels:
        return kernels[NATIVE_KERNEL]
    return next((spec for spec in kernels.values() if _LANGUAGES.get(spec.language, spec.language) == language), None)


def _is_python_2(document: Mapping[str, Any], named: str) -> bool:
    if _LANGUAGES.get(language_of(document) or "") != "python":
        return False
    information = document["metadata"].get("language_info")
    version = information.get("version") if isinstance(information, Mapping) else None
    return str(version).startswith("2.") if version else named.lower().startswith("python2")


def _named_by(document: Mapping[str, Any]) -> str | None:
    metadata = document.get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, Mapping) else None
    name = spec.get("name") if isinstance(spec, Mapping) else None
    return name if isinstance(name, str) and name else None


def _unknown(message: str, named: str | None, kernels: Mapping[str, KernelSpec]) -> InvalidRequest:
    there_are = ", ".join(f"{spec.name} ({spec.language})" for spec in kernels.values())
    close = get_close_matches(named.lower(), list(kernels), n=1) if named is not None else []
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
