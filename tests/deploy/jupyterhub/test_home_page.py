"""What people see on the Hub's home page, in a real browser: their notebooks, and theirs alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from playwright.sync_api import Browser, Page, expect, sync_playwright

from builders import a_workspace
from daybook.storage import open_store
from daybook.web.app import create_app
from daybook.web.settings import WebSettings
from daybook.web.world import World
from daybook.workspaces import Identity, Workspaces
from deploy.jupyterhub.conftest import serving
from web_notebooks import a_catalogue, a_notebook

Answer = Callable[[Request], Response]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("these tests need Chromium: apt-get install chromium, or give its path as CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def home(hub: str, browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Logs a person in, and gives their home page."""
    contexts = []

    def home(name: str) -> Page:
        context = browser.new_context(viewport={"width": 1100, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{hub}/login?next=%2Fhub%2Fhome")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", "any")
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url("**/hub/home")
        return page

    yield home
    for context in contexts:
        context.close()


def answering(answer: Answer) -> FastAPI:
    """A Daybook that answers like this."""
    app = FastAPI()
    app.get("/api/v1/notebooks")(answer)
    return app


def picture(page: Page, name: str) -> None:
    """For whoever wants to look: `DAYBOOK_PICTURES=folder pytest …`."""
    if folder := os.environ.get("DAYBOOK_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def a_daybook(asked: list[str]) -> FastAPI:
    """The real one. Ada may run what is in `closed` and in `open`, everybody else in `open` alone."""
    workspaces = Workspaces(
        workspaces=(
            a_workspace(name="open"),
            a_workspace(name="closed", members=("ada",), namespace="closed", bucket="memory:///closed"),
        )
    )
    notebooks = (
        a_notebook("ndvi", title="NDVI of an area", description="Per field.", workspaces=("closed",)),
        a_notebook("delays", title="Delays of flights"),
    )

    async def user(request: Request) -> Identity:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        asked.append(token)
        return Identity(token.removeprefix("token-of-"))

    return create_app(
        World(
            user=user,
            workspaces=lambda: workspaces,
            bucket=lambda _: open_store("memory:///"),
            login_url=lambda url: f"/login?next={url}",
            airflow_url=lambda _: None,
            catalogue=lambda: a_catalogue(*notebooks),
            settings=WebSettings(mount=""),
            key=b"k" * 32,
        )
    )


def test_home_page_lists_what_the_persons_own_token_may_run(home, daybook_port):
    asked: list[str] = []
    with serving(a_daybook(asked), daybook_port):
        page = home("bob")
        expect(page.get_by_role("link", name="Delays of flights")).to_be_visible()
        expect(page.get_by_role("link", name="NDVI of an area")).to_have_count(0)
        page = home("ada")
        link = page.get_by_role("link", name="NDVI of an area")
        expect(link).to_have_attribute("href", "http://daybook.test/notebooks/run/ndvi")
        expect(page.get_by_text("in closed", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="In Daybook")).to_be_visible()
        expect(page.get_by_role("button", name="Start My Server")).to_be_visible()
        picture(page, "hub-home")
    assert asked == ["token-of-bob", "token-of-ada"]


def test_home_page_is_there_while_daybook_is_not(home):
    page = home("carol")
    expect(page.get_by_role("status")).to_have_text(
        "Daybook does not answer at the moment. Your servers are not touched by that."
    )
    expect(page.get_by_role("button", name="Start My Server")).to_be_visible()
    picture(page, "hub-without-daybook")


def test_what_notebooks_say_of_themselves_is_text(home, daybook_port):
    title = "<img src=x onerror=alert(1)>"
    hostile = {"id": "../../hub/logout?<x>", "title": title, "description": "<b>bold</b>", "workspaces": []}

    def answer(request: Request) -> Response:
        return JSONResponse({"notebooks": [hostile], "total": 1, "next": None})

    with serving(answering(answer), daybook_port):
        page = home("kim")
        link = page.get_by_role("link", name=title)
        expect(link).to_have_attribute("href", "http://daybook.test/notebooks/run/..%2F..%2Fhub%2Flogout%3F%3Cx%3E")
        expect(page.get_by_text("<b>bold</b>")).to_be_visible()
