"""HEAD is answered as GET, without content, and without the work that content is."""

import pytest

from builders import RUN_ID, a_manifest, an_output
from daybook.contract.manifest import State

pytestmark = pytest.mark.anyio

OUTPUT = an_output("delays.csv")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/runs",
        f"/runs/open/{RUN_ID}/outputs/{OUTPUT.path}",
        f"/runs/open/{RUN_ID}/log",
        "/api/v1/runs",
        f"/api/v1/runs/open/{RUN_ID}",
        f"/api/v1/runs/open/{RUN_ID}/outputs/{OUTPUT.path}",
        f"/api/v1/runs/closed/{RUN_ID}",
        f"/api/v1/runs/open/{RUN_ID}/cancel",
        "/api/v1/none",
        "/health/live",
        "/openapi.json",
        "/static/daybook.css",
    ],
)
async def test_a_head_is_that_of_the_answer(client, save, path):
    save(a_manifest(outputs=(OUTPUT,)), {OUTPUT.key: b"a,b", "log.txt": b"hello"})
    whole, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers == whole.headers


async def test_what_is_unchanged_is_told_so(client, save):
    save(a_manifest())
    tag = (await client.head(f"/api/v1/runs/open/{RUN_ID}")).headers["etag"]
    again = await client.head(f"/api/v1/runs/open/{RUN_ID}", headers={"If-None-Match": tag})
    assert again.status_code == 304


async def test_nobody_follows_a_run_by_it(client, save):
    """It would last a minute; the stream's source ends with it."""
    save(a_manifest(state=State.RUNNING, sealed=False, sealed_by=None))
    head = await client.head(f"/api/v1/runs/open/{RUN_ID}/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    app = client._transport.app
    assert not app.state.site.live._watchers
