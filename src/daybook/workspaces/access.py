"""The one decision: may this user run this notebook in this workspace?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol
from urllib.parse import unquote

from daybook.contract.errors import Fault, NotAllowed
from daybook.workspaces.members import Identity
from daybook.workspaces.patterns import fits_any
from daybook.workspaces.workspace import Workspace

_ANY = "*"


class Runnable(Protocol):
    """What the decision needs to know of a notebook; the catalogue's entries are such.

    Attributes:
        id: the notebook's id.
        source: the path or URL of its file.
        workspaces: those that the catalogue lets it run in; none named means any.
    """

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def workspaces(self) -> Collection[str]: ...  # noqa: D102


def require_access(identity: Identity, workspace: Workspace, notebook: Runnable) -> None:
    """Lets a run pass, or refuses it with every reason.

    Args:
        identity: whom Airflow vouches for.
        workspace: where the run is to be.
        notebook: what is to run.

    Raises:
        NotAllowed: this user may not run this notebook there.
    """
    faults = list(_faults(identity, workspace, notebook))
    if faults:
        raise NotAllowed("not allowed", faults)


def may_see(identity: Identity, workspace: Workspace) -> bool:
    """Whether somebody may look at the workspace's runs."""
    return workspace.members.include(identity)


def _faults(identity: Identity, workspace: Workspace, notebook: Runnable) -> Iterator[Fault]:
    if not workspace.members.include(identity):
        who = f"user {identity.user!r} is" if identity.user else "nobody is named for this run, so nobody is"
        yield Fault(
            "workspace", f"{who} not a member of {workspace.name!r}; ask its owner, or choose another workspace"
        )
    if notebook.workspaces and workspace.name not in notebook.workspaces:
        names = ", ".join(sorted(notebook.workspaces))
        yield Fault("workspace", f"the catalogue lets notebook {notebook.id!r} run only in: {names}")
    if not _is_allowed(notebook.source, workspace.allowed.sources):
        yield Fault(
            "notebook",
            f"workspace {workspace.name!r} runs no notebooks from {notebook.source!r}; "
            "its operator says under `allowed: sources:` from where it does",
        )


def _is_allowed(source: str, patterns: Collection[str]) -> bool:
    """Whether a source fits; one that climbs with `..` ends elsewhere than its beginning says, and fits only `*`."""
    if _ANY in patterns:
        return True
    climbs = ".." in unquote(unquote(source)).replace("\\", "/").split("/")
    return not climbs and fits_any(patterns, source)
