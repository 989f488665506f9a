"""Where Airflow's database is busy or away, whoever asks is told to try again, and never that something broke."""

import pytest
from fastapi import HTTPException
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.requests import Request

from builders import ASKED_AT, RUN_ID
from daybook.web.world import Asked, Order
from daybook.workspaces import Identity

pytestmark = pytest.mark.anyio

REQUEST = Request({"type": "http", "headers": []})
ORDER = Order("nb", "local", {})
ASKED = Asked(RUN_ID, "nb", "local", "ada", ASKED_AT, "nb", "manual__1", "running")


# Airflow's API server imports a test client of Starlette's, by way of `svcs`.
@pytest.mark.filterwarnings("ignore:Using `httpx`")
@pytest.mark.parametrize("error", [OperationalError("SELECT", {}, Exception("locked")), TimeoutError("no connection")])
async def test_a_database_that_is_away(monkeypatch, error):
    from daybook.on_airflow.ports import runs as ports
    from daybook.on_airflow.ports.users import Users

    def away(*_):
        raise error

    monkeypatch.setattr(ports, "require_startable", away)
    monkeypatch.setattr(ports, "find", away)
    runs = ports.Runs(Users(), decide=away, catalogue=away, workspaces=away)
    for asked in (runs.trigger(REQUEST, Identity("ada"), ORDER), runs.cancel(REQUEST, Identity("ada"), ASKED)):
        with pytest.raises(HTTPException) as caught:
            await asked
        assert (caught.value.status_code, caught.value.headers["Retry-After"]) == (503, "10")
