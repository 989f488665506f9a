"""What axe-core finds on every page, light and dark: nothing. And every page as a picture, for whoever looks:
`DAYBOOK_PICTURES=folder pytest tests/web/test_accessibility.py`.
"""

import os
from pathlib import Path

import pytest

from daybook.web.app import create_app
from oidc_provider.npm_packages import installed
from web_showcase import shown

NAMES = (
    *("catalogue", "nothing-found", "form", "form-widgets", "form-faults", "running", "failed", "interrupted"),
    *("succeeded", "queued", "preview", "history", "history-empty", "history-faults", "compare", "compare-choose"),
    *("spark", "missing"),
)
AXE = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


@pytest.fixture(scope="module")
def axe():
    """The text of axe-core."""
    return (installed().folder / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def pages(world, bucket, our_server):
    """The address of every page, by name."""
    url, switch = our_server
    changed, paths = shown(world, bucket)
    assert set(paths) == set(NAMES)
    switch.app = create_app(changed)
    return {name: url + path for name, path in paths.items()}


def picture(page, name):
    if folder := os.environ.get("DAYBOOK_PICTURES"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def faults(page, axe):
    """What axe-core finds, and where."""
    page.evaluate(axe)  # past the page's own policy, as a person's extension would
    return {each["id"]: [node["html"][:200] for node in each["nodes"]] for each in page.evaluate(AXE)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_fault(pages, open_page, axe, scheme):
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for name, address in pages.items():
        page.goto(address)
        for each in page.locator("details:not(.confirm) > summary").all():
            each.click()
        picture(page, f"{name}-{scheme}")
        found |= {name: told} if (told := faults(page, axe)) else {}
    assert found == {}


def test_no_page_is_wider_than_a_phone(pages, open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    for name, address in pages.items():
        page.goto(address)
        picture(page, f"{name}-phone")
        assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, 390)


def test_the_head_of_a_page_takes_one_line_of_a_phone(pages, open_page):
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto(pages["catalogue"])
    who, links = (page.locator(f".top {part}").bounding_box() for part in (".who", "nav"))
    assert who["y"] < links["y"] + links["height"]


def test_a_fault_is_found(our_server, open_page, axe):
    """So that the test above does not pass because nothing is looked at."""
    page = open_page()
    page.set_content("<title>x</title><html lang='en'><main><h1>x</h1><input></main>")
    assert "label" in faults(page, axe)
