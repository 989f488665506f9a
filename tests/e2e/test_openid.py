"""A run on behalf of somebody whom Airflow does not know: an OpenID provider vouches for them."""

import httpx
import pytest
from driving import until


@pytest.fixture
def ada(stack, provider):
    """A program of Ada's, with a token that the provider has made for her."""
    token = provider.token(sub="ada")
    with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        yield client


def started(ada, notebook, **fields):
    """The page of a run that Ada starts."""
    answer = ada.post(f"/notebooks/run/{notebook}", data={"workspace": "local", **fields})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def manifest_of(ada, page, fits):
    """The run's record, once it is there and fits."""

    def record():
        answer = ada.get(f"{page}/manifest.json")
        return answer.json() if answer.status_code == 200 and fits(answer.json()) else None

    return until(record)


def test_her_run_succeeds_in_her_name(stack, ada):
    page = started(ada, "one_cell")
    manifest = manifest_of(ada, page, lambda found: found["sealed"])
    assert (manifest["state"], manifest["user"]) == ("succeeded", "hub:ada")
    run = stack.dag_run("one_cell", manifest["airflow"]["run_id"])
    assert (run["triggering_user_name"], run["triggered_by"]) == ("hub:ada", "rest_api")
    log = stack.client.get("/api/v2/eventLogs", params={"dag_id": "one_cell", "owner": "hub:ada"}).json()
    assert [each["event"] for each in log["event_logs"]] == ["trigger_dag_run"]


def test_she_cancels_it(stack, ada):
    page = started(ada, "sleeper")
    manifest_of(ada, page, lambda found: found["state"] == "running")
    assert ada.post(f"{page}/cancel").status_code == 303
    manifest = manifest_of(ada, page, lambda found: found["sealed"])
    assert manifest["state"] == "interrupted"
    assert manifest["reason"] in ("cancelled", "terminated")  # as it is its task or its runner that seals it first


def test_her_token_opens_nothing_else_of_airflow(ada):
    assert ada.get("/api/v2/dags").status_code in (401, 403)
    assert ada.post("/api/v2/dags/one_cell/dagRuns", json={"logical_date": None}).status_code in (401, 403)
