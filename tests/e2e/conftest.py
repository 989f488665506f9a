"""One real stack for all end-to-end tests: Airflow, localpods and Spark Connect, started by `daybook up`.

It lives in a project folder of its own, with the examples and a few notebooks made here, so that a developer's stack in
the checkout is left alone.
"""

import pytest
from browsing import new_page, sign_in
from driving import QUIET, make_project, running_stack
from playwright.sync_api import expect

from oidc_provider.really_started import AUDIENCE, OidcProvider, an_rsa_key
from web_browser import chromium


def pytest_collection_modifyitems(items):
    """Tests with a stack of their own come first: two that are up at once take each other's time."""
    items.sort(key=lambda item: item.path.name != "test_postgres.py")


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    """The OpenID provider whose tokens the stack takes beside Airflow's."""
    provider = OidcProvider(tmp_path_factory.mktemp("provider"))
    provider.start(an_rsa_key("key"))
    yield provider
    provider.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory, provider):
    chosen = {"ISSUER": provider.issuer, "AUDIENCE": AUDIENCE, "PREFIX": "hub:"}
    environment = {f"DAYBOOK_OIDC_{name}": value for name, value in chosen.items()}
    root = make_project(tmp_path_factory.mktemp("project"))
    options = root / "options.cfg"
    options.write_text(QUIET)
    with running_stack(root, "--airflow-config", str(options), **environment) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=30_000)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(stack, browser):
    """A page of a signed-in browser."""
    page = new_page(browser)
    page.goto(stack.url)
    sign_in(stack, page)
    page.wait_for_url(lambda url: "/auth/" not in url)
    return page
