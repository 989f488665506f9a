"""What people see on the Hub's home page, in a real browser: their notebooks, and theirs alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from playwright.sync_api import Browser, Page, expect, sync_playwright

from deploy.jupyterhub.conftest import serving

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


def a_notebook(notebook_id: str = "ndvi", **changes: Any) -> dict[str, Any]:
    return {"id": notebook_id, "title": "NDVI of an area", "description": "", "workspaces": ["earth"], **changes}


def picture(page: Page, name: str) -> None:
    """For whoever wants to look: `DAYBOOK_PICTURES=folder pytest …`."""
    if folder := os.environ.get("DAYBOOK_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def test_home_page_lists_what_the_persons_own_token_may_run(home, daybook_port):
    asked = []

    def answer(request: Request) -> Response:
        asked.append((request.headers["authorization"], request.headers.get("cookie")))
        mine = a_notebook(f"of {request.headers['authorization'].rpartition('-')[2]}", description="Per field.")
        return JSONResponse({"notebooks": [mine], "total": 3, "next": None})

    with serving(answering(answer), daybook_port):
        for name in ("ada", "bob"):
            page = home(name)
            link = page.get_by_role("link", name="NDVI of an area")
            expect(link).to_have_attribute("href", f"http://daybook.test/notebooks/run/of%20{name}")
            expect(page.get_by_role("link", name="2 more, and a search")).to_be_visible()
            expect(page.get_by_role("button", name="Start My Server")).to_be_visible()
        picture(page, "hub-home")
    assert asked == [("Bearer token-of-ada", None), ("Bearer token-of-bob", None)]


def test_home_page_is_there_while_daybook_is_not(home):
    page = home("carol")
    expect(page.get_by_role("status")).to_have_text(
        "Daybook does not answer at the moment. Your servers are not touched by that."
    )
    expect(page.get_by_role("button", name="Start My Server")).to_be_visible()
    picture(page, "hub-without-daybook")


def test_what_notebooks_say_of_themselves_is_text(home, daybook_port):
    hostile = a_notebook("../../hub/logout?<x>", title="<img src=x onerror=alert(1)>", description="<b>bold</b>")

    def answer(request: Request) -> Response:
        return JSONResponse({"notebooks": [hostile], "total": 1, "next": None})

    with serving(answering(answer), daybook_port):
        page = home("kim")
        link = page.get_by_role("link", name="<img src=x onerror=alert(1)>")
        expect(link).to_have_attribute("href", "http://daybook.test/notebooks/run/..%2F..%2Fhub%2Flogout%3F%3Cx%3E")
        expect(page.get_by_text("<b>bold</b>")).to_be_visible()
