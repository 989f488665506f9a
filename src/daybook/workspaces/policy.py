"""What a workspace lets a notebook have: image, resources, time. More is refused, never silently made less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from daybook.contract.databricks import is_databricks
from daybook.contract.errors import Fault, InvalidRequest
from daybook.contract.images import is_image_reference
from daybook.contract.quantities import quantity
from daybook.contract.request import DEFAULT_TIMEOUT_SECONDS
from daybook.workspaces.patterns import fits_any
from daybook.workspaces.workspace import Workspace


class Wish(Protocol):
    """What a notebook asks for; None leaves it to the workspace. The catalogue's `run` is one."""

    @property
    def image(self) -> str | None: ...  # noqa: D102
    @property
    def cpu(self) -> str | None: ...  # noqa: D102
    @property
    def memory(self) -> str | None: ...  # noqa: D102
    @property
    def ephemeral_storage(self) -> str | None: ...  # noqa: D102
    @property
    def gpu(self) -> int: ...  # noqa: D102
    @property
    def asked_timeout_seconds(self) -> int | None: ...  # noqa: D102
    @property
    def kernel(self) -> str | None: ...  # noqa: D102
    @property
    def databricks_cluster(self) -> str | None: ...  # noqa: D102


def require_within(workspace: Workspace, wish: Wish) -> None:
    """Lets a notebook's wishes pass, or refuses them with every one that is too much.

    Raises:
        InvalidRequest: an image or a cluster that is not allowed, a kernel that the workspace has nothing for, or more
            than its maximum; each with what was wished and what there is.
    """
    faults = [
        *_image_faults(workspace, wish.image),
        *_amount_faults(workspace, wish),
        *_count_faults(workspace, wish),
        *_databricks_faults(workspace, wish),
    ]
    if faults:
        raise InvalidRequest(f"workspace {workspace.name!r} does not allow this", faults)


def timeout_of(workspace: Workspace, wish: Wish) -> float:
    """The seconds that one attempt may take: as asked; else an hour, or the workspace's maximum where that is less."""
    if wish.asked_timeout_seconds is not None:
        return wish.asked_timeout_seconds
    maximum = workspace.maximum.timeout_seconds
    return DEFAULT_TIMEOUT_SECONDS if maximum is None else min(DEFAULT_TIMEOUT_SECONDS, maximum)


def _image_faults(workspace: Workspace, image: str | None) -> Iterator[Fault]:
    if image is None or image == workspace.image:
        return
    if not is_image_reference(image):
        yield Fault("run.image", f"{image!r} is not an image such as registry.example/team/notebook:1 or …@sha256:…")
    elif not fits_any(workspace.allowed.images, image):
        allowed = ", ".join(dict.fromkeys((workspace.image, *workspace.allowed.images)))
        yield Fault("run.image", f"image {image!r} is not allowed; allowed here: {allowed}")


def _amount_faults(workspace: Workspace, wish: Wish) -> Iterator[Fault]:
    maximum = workspace.maximum
    for name, asked, most in (
        ("cpu", wish.cpu, maximum.cpu),
        ("memory", wish.memory, maximum.memory),
        ("ephemeral_storage", wish.ephemeral_storage, maximum.ephemeral_storage),
    ):
        if asked is not None and most is not None and quantity(asked) > quantity(most):
            yield _too_much(name, asked, most)


def _count_faults(workspace: Workspace, wish: Wish) -> Iterator[Fault]:
    maximum = workspace.maximum
    if wish.gpu > maximum.gpu:
        yield _too_much("gpu", str(wish.gpu), str(maximum.gpu))
    asked, most = wish.asked_timeout_seconds, maximum.timeout_seconds
    if asked is not None and most is not None and asked > most:
        yield _too_much("timeout_seconds", str(asked), str(most))


def _databricks_faults(workspace: Workspace, wish: Wish) -> Iterator[Fault]:
    if not is_databricks(wish.kernel):
        return
    settings, cluster = workspace.databricks, wish.databricks_cluster
    if settings is None:
        message = (
            f"kernel {wish.kernel!r} executes cells on a Databricks cluster, and workspace {workspace.name!r} has no "
            "`databricks` section; choose another workspace, or ask for the section"
        )
        yield Fault("run.kernel", message)
    elif cluster is not None and not settings.allows(cluster):
        allowed = ", ".join(dict.fromkeys((settings.cluster_id, *settings.clusters)))
        yield Fault("run.databricks_cluster", f"cluster {cluster!r} is not allowed; allowed here: {allowed}")


def _too_much(name: str, asked: str, most: str) -> Fault:
    return Fault(f"run.{name}", f"{asked} is more than the workspace's maximum of {most}; ask for less")
