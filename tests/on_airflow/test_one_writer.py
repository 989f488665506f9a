import asyncio

import pytest

from daybook.on_airflow.one_writer import OneWriter

pytestmark = pytest.mark.anyio


def scope(method="POST", path="/api/v2/dags/x/dagRuns", kind="http"):
    return {"type": kind, "method": method, "path": path}


class Inside:
    """Counts how many requests are inside at once."""

    def __init__(self, fails=False):
        self.now = 0
        self.most = 0
        self.fails = fails

    async def __call__(self, scope, receive, send):
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        if self.fails:
            raise RuntimeError("a bug")


async def no_body():
    return {"type": "http.request", "body": b"", "more_body": False}


async def together(app, *scopes):
    return await asyncio.gather(*(app(each, no_body, None) for each in scopes), return_exceptions=True)


async def test_a_client_that_stalls_keeps_nobody_waiting():
    async def stalls():
        await asyncio.sleep(60)

    inside = Inside()
    app = OneWriter(inside, lambda: True)
    stalled = asyncio.create_task(app(scope(), stalls, None))
    await asyncio.wait_for(app(scope(), no_body, None), timeout=5)
    stalled.cancel()
    assert inside.most == 1


@pytest.mark.parametrize("path", ["/api/v2/dags/x/dagRuns", "/execution/task-instances/x/run", "/ui/x"])
async def test_writing_requests_take_turns(path):
    inside = Inside()
    await together(OneWriter(inside, lambda: True), scope(path=path), scope("PATCH"), scope("DELETE"))
    assert inside.most == 1


async def test_reading_requests_pages_and_sockets_do_not_wait():
    inside = Inside()
    app = OneWriter(inside, lambda: True)
    await together(app, scope(), scope("GET"), scope(path="/notebooks/x"), scope(kind="websocket"))
    assert inside.most == 4


async def test_other_databases_let_all_write_at_once():
    inside = Inside()
    await together(OneWriter(inside, lambda: False), scope(), scope())
    assert inside.most == 2


async def test_a_request_that_fails_lets_the_next_one_in():
    inside = Inside(fails=True)
    errors = await together(OneWriter(inside, lambda: True), scope(), scope())
    assert [type(each) for each in errors] == [RuntimeError, RuntimeError]
    assert inside.most == 1
