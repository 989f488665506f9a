"""What the pages need of the world around them, handed in by whoever mounts the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from daybook.contract.manifest import Manifest
from daybook.storage import Store
from daybook.workspaces import Identity, Workspace, Workspaces


@dataclass(frozen=True)
class World:
    """The app's ports to the outside.

    Attributes:
        user: who asks; raises `NotLoggedIn` when nobody can be vouched for.
        workspaces: as they are now.
        bucket: a workspace's bucket.
        login_url: where a browser goes to log in and come back to a path.
        airflow_url: the page of a run in Airflow, if it has one.
    """

    user: Callable[[Request], Awaitable[Identity]]
    workspaces: Callable[[], Workspaces]
    bucket: Callable[[Workspace], Store]
    login_url: Callable[[str], str]
    airflow_url: Callable[[Manifest], str | None]


class NotLoggedIn(Exception):
    """The request names nobody whom Airflow vouches for."""
