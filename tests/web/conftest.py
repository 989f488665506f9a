"""The real app, with a bucket in memory and users who say their own name."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page
from starlette.requests import Request

from builders import a_workspace
from daybook.contract.manifest import Manifest
from daybook.storage import Store, open_store, record_of
from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.world import NotLoggedIn, World
from daybook.workspaces import Identity, Workspaces
from web_api import Airflow, program, with_airflow
from web_browser import SECRET, Switch, answering, chromium, serving

HERE = "http://daybook.test"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of new buckets are whole here, however busy the machine is."""
    for name in ("FIRST_WAIT_SECONDS", "WHOLE_SECONDS", "SOON_SECONDS"):
        monkeypatch.setattr(f"daybook.web.history.underway.{name}", 60.0)


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
    """As Airflow tells: a bearer token counts before the cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    name = token if scheme == "Bearer" and token else request.cookies.get("_token")
    if not name:
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def our_server() -> Iterator[tuple[str, Switch]]:
    """A server, and what is served."""
    switch = Switch()
    with serving(switch) as url:
        yield url, switch


@pytest.fixture(scope="module")
def strangers_server() -> Iterator[tuple[str, Switch]]:
    """Somebody else's server."""
    switch = Switch()
    with serving(switch) as url:
        yield url, switch


@pytest.fixture
def site(world: World, our_server: tuple[str, Switch]) -> str:
    """Where the app is served to a browser."""
    url, switch = our_server
    switch.app = create_app(world)
    return url


@pytest.fixture
def stranger(strangers_server: tuple[str, Switch]) -> tuple[str, list[str]]:
    """Somebody else's server, which would like to hear from us, and what it heard."""
    url, switch = strangers_server
    heard: list[str] = []
    switch.app = answering(b"<h1>Log in again</h1>", heard)
    return url, heard


@pytest.fixture
def open_page(browser: Browser, our_server: tuple[str, Switch]) -> Iterator[Callable[..., Page]]:
    """A browser window of Alice's, who is logged in by a cookie that scripts could read."""
    contexts = []

    def open_page(**options: object) -> Page:
        context = browser.new_context(extra_http_headers={"Authorization": "Bearer alice"}, **options)
        context.add_cookies([{"name": "_token", "value": SECRET, "url": our_server[0]}])
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def airflow() -> Airflow:
    """What the API asks of Airflow."""
    return Airflow()


@pytest.fixture
async def bob(world: World, airflow: Airflow, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """A program of Bob's that uses the API, in front of that Airflow."""
    async with program(with_airflow(world, airflow)) as client:
        yield client
