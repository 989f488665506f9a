"""Where Airflow's database is busy or away, whoever asks is told to try again, and never that something broke."""

import pytest
from fastapi import HTTPException
from sqlalchemy.exc import OperationalError, TimeoutError
from starlette.requests import Request

from builders import ASKED_AT, RUN_ID, a_workspace
from daybook.catalogue import Catalogue
from daybook.contract.errors import InvalidRequest
from daybook.web.world import Asked, Order
from daybook.workspaces import Identity, Workspaces

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


@pytest.mark.filterwarnings("ignore:Using `httpx`")
def test_no_request_has_the_whole_catalogue_read_and_checked_anew(monkeypatch, tmp_path):
    """That takes seconds where it is large, and runs that wait are asked for every second."""
    from daybook.on_airflow import pages
    from daybook.on_airflow.ports import runs as ports
    from daybook.on_airflow.settings import Settings

    made = []
    monkeypatch.setattr(pages, "Runs", lambda *given: made.append(given) or ports.Runs(*given))
    monkeypatch.setattr(Settings, "load_catalogue", lambda _: pytest.fail("the whole catalogue is read"))
    (tmp_path / "workspaces.yaml").write_text("workspaces: {local: {bucket: /tmp/none, members: [ada]}}")
    world = pages.create_pages(
        {"DAYBOOK_CATALOGUE": str(tmp_path), "DAYBOOK_WORKSPACES": str(tmp_path / "workspaces.yaml")}
    ).state.site.world
    _, decide, catalogue, _ = made[0]
    assert catalogue() is world.catalogue()
    assert world.waiting.__self__._catalogue() is world.catalogue()
    with pytest.raises(InvalidRequest, match="no notebook 'nb'"):
        decide("nb", {}, Identity("ada"))


@pytest.mark.filterwarnings("ignore:Using `httpx`")
def test_a_database_that_is_away_leaves_a_run_unknown(monkeypatch):
    from daybook.on_airflow.ports import waiting

    def away(**_):
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr(waiting, "create_session", away)
    none = Catalogue({}, {}, ())
    place = a_workspace()
    assert waiting.Waiting(lambda: none, lambda: Workspaces(workspaces=(place,))).waiting_run(place, RUN_ID) is None
