"""The real app, with a bucket in memory and users who say their own name."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.requests import Request

from builders import a_workspace
from daybook.contract.manifest import Manifest
from daybook.storage import Store, open_store, record_of
from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.world import NotLoggedIn, World
from daybook.workspaces import Identity, Workspaces

HERE = "http://daybook.test"


@pytest.fixture
def bucket() -> Store:
    """The bucket of every workspace of these tests."""
    return open_store("memory:///")


@pytest.fixture
def world(bucket: Store) -> World:
    """Alice is in both workspaces, everybody else in `open` only."""
    mine = a_workspace(name="closed", members=("alice",), namespace="closed")
    found = Workspaces(workspaces=(a_workspace(name="open"), mine))
    return World(
        user=_named_user,
        workspaces=lambda: found,
        bucket=lambda _: bucket,
        login_url=lambda url: f"/login?next={url}",
        airflow_url=lambda manifest: manifest.airflow and f"/dags/{manifest.airflow.dag_id}",
        settings=WebSettings(mount=""),
        key=b"k" * 32,
    )


async def _named_user(request: Request) -> Identity:
    scheme, _, name = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not name:
        raise NotLoggedIn("no token")
    return Identity(name)


@pytest.fixture
def save(bucket: Store) -> Callable[..., str]:
    """Puts a run into the bucket, with files by key, and gives the path of its page in workspace `open`."""

    def save(manifest: Manifest, files: dict[str, bytes] | None = None) -> str:
        record = record_of(bucket, manifest.run_id)
        record.write(manifest)
        for key, content in (files or {}).items():
            record.store.write(key, content)
        return f"/runs/open/{manifest.run_id}"

    return save


@pytest.fixture
async def client(world: World, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A program of Bob's."""
    transport = httpx.ASGITransport(create_app(world), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=HERE, headers={"Authorization": "Bearer bob"}) as bob:
        yield bob
