"""Our pages in a frame, as Airflow shows them: what may leave it, and who may frame them, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from builders import RUN_ID, a_manifest
from daybook.contract.request import AirflowCoordinates
from daybook.web.app import create_app
from web_browser import serving

SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads"
"""What Airflow 3.3.2 gives the frames of plugins: no windows of their own, and not the one around them."""
HOSTILE = b"""<h1>Notebook</h1><a id="away" href="https://evil.example/" target="_top">away</a><script>
const tried = {};
for (const [name, way] of Object.entries({
  page: () => parent.document.title, airflow: () => top.document.title, cookie: () => document.cookie,
  away: () => { top.location.href = "https://evil.example/"; return "went"; } }))
  try { tried[name] = way() } catch (error) { tried[name] = error.name }
document.documentElement.dataset.tried = JSON.stringify(tried);
document.getElementById("away").click();
</script>"""

REFUSED = re.compile(r'^\{("\w+":"SecurityError",?){4}\}$')


@pytest.fixture
def framed(world, save, browser):
    """Serves a run below a page that frames it, and opens that page at an address of our origin or another one."""
    at = AirflowCoordinates(dag_id="own", run_id="r", task_id="run", map_index=-1, try_number=1)
    manifest = a_manifest(airflow=at)
    path = save(manifest, {manifest.files.html: HOSTILE})
    ours = create_app(world)
    page = browser.new_context(extra_http_headers={"Authorization": "Bearer bob"}).new_page()

    async def app(scope, receive, send):
        if scope["path"] == "/airflows":
            source = f"http://127.0.0.1:{scope['server'][1]}{path}"
            frame = f'<iframe sandbox="{SANDBOX}" title="ours" width="900" height="900" src="{source}"></iframe>'
            body = f"<title>Airflow</title>{frame}".encode()
        elif scope["path"].startswith("/dags/"):
            body = b"<title>The DAG</title>"
        else:
            return await ours(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        return await send({"type": "http.response.body", "body": body})

    with serving(app) as url:

        def framed(host="127.0.0.1"):
            page.goto(f"{url.replace('127.0.0.1', host)}/airflows")
            return page, page.frame_locator("iframe[title=ours]")

        yield framed
        page.context.close()


def test_a_link_out_of_the_frame_is_followed_by_the_window(framed):
    page, frame = framed()
    frame.get_by_role("link", name="In Airflow").click()
    page.wait_for_url("**/dags/own")


def test_a_notebook_in_the_frame_reaches_neither_our_page_nor_airflows_nor_leads_anywhere(framed):
    page, frame = framed()
    frame.locator("iframe").scroll_into_view_if_needed()
    notebook = frame.frame_locator("iframe").locator("html")
    expect(notebook).to_have_attribute("data-tried", REFUSED)
    frame.get_by_role("link", name="Executed notebook", exact=True).first.click()
    expect(frame.get_by_role("heading", name="Notebook")).to_be_visible()
    expect(frame.locator("html")).to_have_attribute("data-tried", REFUSED)
    assert page.url.endswith("/airflows")


def test_somebody_elses_page_cannot_frame_ours(framed):
    page, frame = framed(host="localhost")
    expect(page).to_have_title("Airflow")
    expect(frame.get_by_role("heading", level=1)).to_have_count(0)
    assert RUN_ID not in page.frames[1].url
