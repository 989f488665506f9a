"""Starting, cancelling and waiting for runs through Airflow's own API server, for its users and a provider's."""

import json

import pytest

from builders import a_notebook_json
from daybook.contract import keys
from daybook.on_airflow.vouchers import Errand, redeem
from daybook.workspaces import Identity
from oidc_provider.really_started import AUDIENCE, OidcProvider, an_rsa_key
from on_airflow.api_server import played

SCENE = """
import dataclasses
from datetime import datetime

from airflow.models.dag import DagModel
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from fastapi import Request
from fastapi.responses import JSONResponse

from daybook.catalogue import Catalogue
from daybook.contract.errors import InvalidRequest, NotAllowed
from daybook.on_airflow import pages
from daybook.on_airflow.ports import waiting
from daybook.on_airflow.ports.dag_runs import is_watched
from daybook.web.world import Asked, Conflict, Order

with create_session() as session:
    session.get(DagModel, "paused").is_paused = True

create_pages = pages.create_pages


early = []


def with_ways_in(environment):
    # The ports as routes, without what forms and API check before they use them.
    app = create_pages(environment)
    world = app.state.site.world

    async def answered(way):
        try:
            return JSONResponse(await way)
        except (InvalidRequest, Conflict) as error:
            return JSONResponse({"refused": type(error).__name__, "text": str(error)}, 400)

    @app.post("/trigger")
    async def trigger(request: Request):
        async def way():
            asked = await world.trigger(request, await world.user(request), Order(**await request.json()))
            return {**dataclasses.asdict(asked), "asked_at": asked.asked_at.isoformat()}
        return await answered(way())

    @app.post("/cancel")
    async def cancel(request: Request):
        async def way():
            given = await request.json()
            asked = Asked(**{**given, "asked_at": datetime.fromisoformat(given["asked_at"])})
            await world.cancel(request, await world.user(request), asked)
            return {}
        return await answered(way())

    @app.get("/waiting/{name}")
    def that_wait(name: str):
        return [each.dag_run_id for each in world.waiting(world.workspaces().get(name))]

    @app.get("/early/{name}")
    def read_before(name: str):
        # What was read once counts here for good: before there was any run.
        workspace = world.workspaces().get(name)
        if not early:
            waiting.WAITING_SECONDS, usual = float("inf"), waiting.WAITING_SECONDS
            early.append(waiting.Waiting(world.catalogue, world.workspaces))
            waiting.WAITING_SECONDS = usual
            return [each.dag_run_id for each in early[0].waiting(workspace)]
        found = [early[0].waiting_run(workspace, each.run_id) for each in world.waiting(workspace)]
        return [each and each.dag_run_id for each in found]

    @app.get("/each/{name}")
    def each_that_waits(name: str):
        workspace, known = world.workspaces().get(name), world.waiting(world.workspaces().get(name))
        waiting.MANY = 1
        few = waiting.Waiting(world.catalogue, world.workspaces)
        found = [few.waiting_run(workspace, each.run_id) for each in known]
        return {
            "listed": len(few.waiting(workspace)),
            "found": [each and each.dag_run_id for each in found],
            "elsewhere": [few.waiting_run(world.workspaces().get("local"), each.run_id) for each in known],
            "none": [few.waiting_run(workspace, f"{day}T235959Z-nb-0123456789") for day in ("20261399", "99991231")],
        }

    @app.post("/lose-all")
    def lose_all():
        object.__setattr__(world.cancel.__self__, "catalogue", lambda: Catalogue({}, {}, ()))

    @app.get("/next")
    def next_runs():
        return {name: moment.isoformat() for name, moment in world.next_runs().items()}

    @app.get("/me")
    async def me(request: Request):
        user = await world.user(request)
        return {"user": user.user, "groups": sorted(user.groups)}

    return app


pages.create_pages = with_ways_in
app = create_app()
told = []
with TestClient(app) as client:
    for step in given:
        if "of" in step:
            step["json"] = {**told[step["of"]]["body"], **step["json"]}
        headers = {"Accept": step.get("accept", "*/*")}
        if "name" in step:
            headers["Authorization"] = "Bearer " + token(step["name"], step["role"])
        elif "token" in step:
            headers["Authorization"] = "Bearer " + step["token"]
        if "cookie_of" in step:
            headers["Cookie"] = "_token=" + token(**step["cookie_of"])
        if "cookie" in step:
            headers["Cookie"] = "_token=" + step["cookie"]
        follow = not step.get("stays")
        answer = client.request(
            step["method"], step["path"], json=step.get("json"), headers=headers, follow_redirects=follow
        )
        found = {"status": answer.status_code, "text": answer.text, "location": answer.headers.get("location")}
        if "json" in answer.headers.get("content-type", ""):
            found["body"] = answer.json()
        if answer.status_code == 200 and isinstance(found.get("body"), dict) and "dag_run_id" in found["body"]:
            with create_session() as session:
                run = session.scalar(select(DagRun).where(DagRun.run_id == found["body"]["dag_run_id"]))
                found["run"] = {"conf": run.conf, "user": run.triggering_user_name, "by": run.triggered_by.value}
        told.append(found)
with create_session() as session:
    states = {run.run_id: run.state for run in session.scalars(select(DagRun))}
    log = [[row.event, row.owner, row.dag_id, row.run_id, row.extra] for row in session.scalars(select(Log))]
watched = {}
with create_session() as session:
    task = session.scalar(select(TaskInstance).where(TaskInstance.dag_id == "nb").limit(1))
    where, trigger = (task.dag_id, task.run_id), Trigger(classpath="any.Trigger", kwargs={})
    session.add(trigger)
    session.flush()
    for case, state, triggerer, comes_back in (
        ("not begun", "queued", None, None),
        ("at work", "running", None, None),
        ("waits, not yet seen", "deferred", None, "execute_complete"),
        ("waits, seen", "deferred", 1, "execute_complete"),
        ("comes back", "queued", None, "execute_complete"),
    ):
        task.state, task.next_method, trigger.triggerer_id = state, comes_back, triggerer
        task.trigger_id = trigger.id if state == "deferred" else None
        session.commit()
        watched[case] = is_watched(*where)
print(json.dumps({"told": told, "states": states, "log": log, "watched": watched}))
"""
KEY = "k" * 64
RESEARCH = {"workspace": "research"}
TO_LOGIN = "/api/v2/auth/login?next=%2Fnotebooks%2Frun%2Fnb%3Fa%3D1"
ADAS = keys.ordered_dag_run_id("ada", "nb", "one")


def order(notebook="nb", workspace="research", idempotency=None, **conf):
    conf = {"workspace": workspace, **conf}
    return {"notebook": notebook, "workspace": workspace, "conf": conf, "idempotency": idempotency}


def trigger(who, **given):
    return {"method": "POST", "path": "/notebooks/trigger", "json": order(**given), **who}


def by_run_notebook(who, **conf):
    body = {"logical_date": None, "conf": conf}
    return {"method": "POST", "path": "/api/v2/dags/run_notebook/dagRuns", "json": body, **who}


def cancel(who, of, **changes):
    return {"method": "POST", "path": "/notebooks/cancel", "json": changes, "of": of, **who}


def steps(provider):
    """What is asked, in turn, each by its name."""

    def of(sub, **claims):
        return {"token": provider.token(sub=sub, **claims)}

    bob = {"name": "bob", "role": "user"}
    ada = {"name": "ada", "role": "op"}
    eve = {"name": "eve", "role": "user"}
    asked = [
        ("before there was any", {"method": "GET", "path": "/notebooks/early/research"}),
        ("bob", trigger(bob)),
        ("bob by cookie", trigger({"cookie_of": bob})),
        ("ada with bob's cookie", trigger({**ada, "cookie_of": bob})),
        ("ada by her role", trigger(ada, idempotency="one")),
        ("ada again", trigger(ada, idempotency="one")),
        ("ada by run_notebook", by_run_notebook(ada, notebook="nb", parameters={}, workspace="research")),
        ("ada with another order", trigger(ada, idempotency="one", number=2)),
        ("eve", trigger({"name": "eve", "role": "user"})),
        ("vic, who may only look", trigger({"name": "vic", "role": "viewer"})),
        ("bob, unknown", trigger(bob, nonsense=1)),
        ("bob, paused", trigger(bob, notebook="paused")),
        ("bob, no such", trigger(bob, notebook="none")),
        ("dora by claim", trigger(of("dora", workspaces=["research"]), idempotency="one")),
        ("dora again", trigger(of("dora", workspaces=["research"]), idempotency="one")),
        ("dora, of what goes", trigger(of("dora", workspaces=["research"]), number=3)),
        ("dora with another order", trigger(of("dora", workspaces=["research"]), idempotency="one", number=2)),
        ("dora with a forged voucher", trigger(of("dora", workspaces=["research"]), daybook_voucher="forged")),
        ("dora without her claim", trigger(of("dora"))),
        ("a bob of the provider's", trigger(of("bob"))),
        ("an op of the provider's", trigger(of("ivy", groups=["op"]))),
        ("dora, unknown", trigger(of("dora", workspaces=["research"]), nonsense=1)),
        ("dora, paused", trigger(of("dora", workspaces=["research"]), notebook="paused")),
        ("dora over Airflow's API", {"method": "GET", "path": "/api/v2/dags", **of("dora")}),
        ("her token as a cookie", {"method": "GET", "path": "/notebooks/me", "cookie": of("dora")["token"]}),
        ("dora", {"method": "GET", "path": "/notebooks/me", **of("dora", groups=["op"])}),
        ("brackets", {"method": "GET", "path": "/notebooks/me", "token": "W1tb" * 3000 + ".e30.x"}),
        ("waiting in research", {"method": "GET", "path": "/notebooks/waiting/research"}),
        ("waiting in local", {"method": "GET", "path": "/notebooks/waiting/local"}),
        ("each that was not there", {"method": "GET", "path": "/notebooks/early/research"}),
        ("each in research", {"method": "GET", "path": "/notebooks/each/research"}),
        ("next", {"method": "GET", "path": "/notebooks/next"}),
        ("ada looks from the DAG run", {"method": "GET", "path": f"/notebooks/airflow/nb/{ADAS}", **ada}),
        ("ada looks from its task", {"method": "GET", "path": f"/notebooks/airflow/nb/{ADAS}?task_id=run", **ada}),
        ("ada looks from none", {"method": "GET", "path": f"/notebooks/airflow/nb/{ADAS}?task_id=other", **ada}),
        ("eve looks from it", {"method": "GET", "path": f"/notebooks/airflow/nb/{ADAS}", **eve}),
        ("a browser", {"method": "GET", "path": "/notebooks/run/nb?a=1", "accept": "text/html", "stays": True}),
        ("a browser at Airflow's login", {"method": "GET", "path": TO_LOGIN, "stays": True}),
    ]
    place = {name: number for number, (name, _) in enumerate(asked)}
    asked += [
        ("eve cancels", cancel({"name": "eve", "role": "user"}, place["bob"])),
        ("frank cancels", cancel(of("frank"), place["bob"])),
        ("dora cancels what a record says is in local", cancel(of("dora"), place["bob"], workspace="local")),
        ("dora cancels by another id", cancel(of("dora"), place["bob"], run_id="20260101T000000Z-nb-0123456789")),
        ("vic cancels", cancel({"name": "vic", "role": "viewer"}, place["bob"])),
        ("ada cancels", cancel(ada, place["ada by her role"])),
        ("dora cancels", cancel(of("dora", workspaces=["research"]), place["bob"])),
        ("dora cancels again", cancel(of("dora", workspaces=["research"]), place["bob"])),
        ("the catalogue has it no more", {"method": "POST", "path": "/notebooks/lose-all"}),
        ("frank cancels what was removed", cancel(of("frank"), place["dora, of what goes"])),
        ("dora cancels what was removed", cancel(of("dora", workspaces=["research"]), place["dora, of what goes"])),
    ]
    return asked


@pytest.fixture(scope="module")
def happened(tmp_path_factory):
    """What an API server of its own answers, and what it stores."""
    folder = tmp_path_factory.mktemp("airflow")
    for name in ("nb", "paused", "daily"):
        (folder / "notebooks" / name).mkdir(parents=True)
        (folder / "notebooks" / name / "notebook.ipynb").write_text(a_notebook_json())
    (folder / "notebooks" / "daily" / "spec.yaml").write_text("schedule: {cron: '0 6 * * *', owner: bob}\n")
    (folder / "notebooks" / "nb" / "spec.yaml").write_text("inputs: {number: {type: integer, default: 1}}\n")
    (folder / "key").write_text(KEY)
    members = "{users: [bob, 'hub:bobby'], groups: [op], claims: {workspaces: [research]}}"
    (folder / "workspaces.yaml").write_text(
        "workspaces:\n- {name: local, bucket: /data/a, members: []}\n"
        f"- {{name: research, namespace: b, bucket: /data/b, members: {members}}}\n"
    )
    provider = OidcProvider(folder)
    provider.start(an_rsa_key("key"))
    asked = steps(provider)
    oidc = {
        "DAYBOOK_OIDC_ISSUER": provider.issuer,
        "DAYBOOK_OIDC_AUDIENCE": AUDIENCE,
        "DAYBOOK_OIDC_PREFIX": "hub:",
    }
    try:
        found = played(folder, SCENE, [step for _, step in asked], **oidc)
    finally:
        provider.stop()
    return {**found, "told": dict(zip([name for name, _ in asked], found["told"], strict=True))}


@pytest.fixture(scope="module")
def told(happened):
    return happened["told"]


def test_a_user_of_airflow_triggers_as_over_its_own_api(happened):
    found = happened["told"]["bob"]
    assert found["status"] == 200, found
    assert found["run"] == {"conf": RESEARCH, "user": "bob", "by": "rest_api"}
    body = found["body"]
    assert (body["notebook"], body["workspace"], body["user"], body["state"]) == ("nb", "research", "bob", "queued")
    assert body["is_new"]
    events = [row for row in happened["log"] if row[3] == body["dag_run_id"]]
    # Core notes the request before it has made an id.
    assert ["trigger_dag_run", "bob", "nb"] in [row[:3] for row in happened["log"]]
    assert all("issuer" not in row[4] for row in events if row[0] == "trigger_dag_run")


@pytest.mark.parametrize(
    ("case", "user", "states"),
    [
        ("ada by her role", "ada", {"groups": ["op"], "claims": {}}),
        ("dora by claim", "hub:dora", {"groups": [], "claims": {"workspaces": {"research"}}}),
        ("dora with a forged voucher", "hub:dora", {"groups": [], "claims": {"workspaces": {"research"}}}),
    ],
)
def test_members_by_group_or_claim_get_a_voucher_that_their_task_will_take(told, case, user, states):
    found = told[case]
    assert found["status"] == 200, found
    assert found["run"]["user"] == user
    assert "daybook_voucher" not in found["text"]
    vouched = redeem(found["run"]["conf"]["daybook_voucher"], Errand(found["run"]["user"], "nb", "research"), KEY)
    assert vouched == Identity(user, frozenset(states["groups"]), states["claims"])


def test_a_run_that_waits_is_watched_as_soon_as_a_triggerer_has_it(happened):
    unwatched = [case for case, is_watched in happened["watched"].items() if not is_watched]
    assert unwatched == ["waits, not yet seen", "comes back"]
    assert len(happened["watched"]) == 5


def test_an_order_that_is_sent_twice_is_one_run(told):
    for first, again in (("ada by her role", "ada again"), ("dora by claim", "dora again")):
        assert told[again]["status"] == 200, told[again]
        assert (told[first]["body"]["is_new"], told[again]["body"]["is_new"]) == (True, False)
        same = {**told[again]["body"], "is_new": True}
        assert same == told[first]["body"]


def test_one_key_of_two_users_makes_two_runs(told):
    assert told["ada by her role"]["body"]["dag_run_id"] != told["dora by claim"]["body"]["dag_run_id"]


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("eve", "NotAllowed", "user 'eve' is not a member of 'research'"),
        ("vic, who may only look", "NotAllowed", "not allowed"),
        ("bob, unknown", "InvalidRequest", "nonsense"),
        ("bob, paused", "Conflict", "is paused in Airflow"),
        ("bob, no such", "InvalidRequest", "Airflow does not know the notebook yet"),
        ("dora without her claim", "NotAllowed", "user 'hub:dora' is not a member of 'research'"),
        ("a bob of the provider's", "NotAllowed", "user 'hub:bob' is not a member of 'research'"),
        ("an op of the provider's", "NotAllowed", "user 'hub:ivy' is not a member of 'research'"),
        ("dora, unknown", "InvalidRequest", "nonsense"),
        ("dora, paused", "Conflict", "is paused in Airflow"),
    ],
)
def test_what_is_refused_is_told_with_its_reason(told, case, kind, words):
    assert told[case]["status"] == 400, told[case]
    assert told[case]["body"]["refused"] == kind
    assert words in told[case]["body"]["text"]


@pytest.mark.parametrize("who", ["ada", "dora"])
def test_a_key_that_was_used_for_another_order_is_a_conflict(told, who):
    refused = told[f"{who} with another order"]["body"]
    assert refused == {"refused": "Conflict", "text": "the idempotency key was used for another request before"}


def test_a_browser_triggers_by_its_cookie_and_a_token_beside_it_wins(told):
    assert told["bob by cookie"]["run"]["user"] == "bob"
    assert told["ada with bob's cookie"]["run"]["user"] == "ada"


def test_the_audit_log_names_the_user_and_who_vouched_for_them(happened):
    run = happened["told"]["dora by claim"]["body"]["dag_run_id"]
    rows = [row for row in happened["log"] if row[3] == run]
    assert [row[:3] for row in rows] == [["trigger_dag_run", "hub:dora", "nb"]]
    assert json.loads(rows[0][4])["issuer"].startswith("http://127.0.0.1:")


def test_a_providers_token_is_no_token_of_airflows(told):
    assert told["dora over Airflow's API"]["status"] in (401, 403)
    assert told["her token as a cookie"]["status"] == 401
    assert told["brackets"]["status"] == 401
    assert told["dora"]["body"] == {"user": "hub:dora", "groups": ["hub:op"]}


def test_runs_that_wait_are_known_by_their_workspace(told):
    made = {each["body"]["dag_run_id"] for each in told.values() if "run" in each}
    assert set(told["waiting in research"]["body"]) == made
    assert told["waiting in local"]["body"] == []


def test_one_run_that_waits_is_found_also_where_more_wait_than_are_listed(told):
    """Else somebody who has a thousand runs wait would have everybody else's taken for gone."""
    found = told["each in research"]["body"]
    made = {each["body"]["dag_run_id"] for each in told.values() if "run" in each}
    assert (found["listed"], set(found["found"])) == (1, made)
    assert (set(found["elsewhere"]), found["none"]) == ({None}, [None, None])


def test_a_run_is_found_that_airflow_took_after_the_last_look(told):
    """Else whoever asks for a run while others look at theirs is told that there is none."""
    made = {each["body"]["dag_run_id"] for each in told.values() if "run" in each}
    assert told["before there was any"]["body"] == []
    assert set(told["each that was not there"]["body"]) == made


def test_scheduled_notebooks_are_known_by_when_they_run_next(told):
    assert set(told["next"]["body"]) == {"daily"}
    assert told["next"]["body"]["daily"].split("T")[1].startswith("06:00")


@pytest.mark.parametrize("case", ["ada cancels", "dora cancels"])
def test_a_member_cancels_a_run(happened, case):
    assert happened["told"][case]["status"] == 200, happened["told"][case]
    of = {"ada cancels": "ada by her role", "dora cancels": "bob"}[case]
    run = happened["told"][of]["body"]["dag_run_id"]
    assert happened["states"][run] == "failed"
    who = {"ada cancels": "ada", "dora cancels": "hub:dora"}[case]
    assert ["patch_dag_run", who, "nb", run] in [row[:4] for row in happened["log"]]


@pytest.mark.parametrize(
    "case",
    [
        "eve cancels",
        "frank cancels",
        "dora cancels what a record says is in local",
        "dora cancels by another id",
        "vic cancels",
        "frank cancels what was removed",
    ],
)
def test_nobody_else_does_and_all_are_told_the_same(told, case):
    assert told[case]["status"] == 400
    assert told[case]["body"] == {
        "refused": "Conflict",
        "text": "Airflow has no such run that could be cancelled here",
    }


def test_a_run_can_be_cancelled_whose_notebook_the_catalogue_has_no_more(happened):
    assert happened["told"]["dora cancels what was removed"]["status"] == 200
    assert happened["states"][happened["told"]["dora, of what goes"]["body"]["dag_run_id"]] == "failed"


def test_what_is_over_cannot_be_cancelled(told):
    assert "the run is over" in told["dora cancels again"]["body"]["text"]


def test_a_dag_run_and_its_task_lead_to_the_page_of_the_run_that_waits_and_strangers_nowhere(told):
    run_id = told["ada by her role"]["body"]["run_id"]
    for name in ("ada looks from the DAG run", "ada looks from its task"):
        assert told[name]["status"] == 200, told[name]
        assert run_id in told[name]["text"]
    for name in ("ada looks from none", "eve looks from it"):
        assert told[name]["status"] == 404
        assert run_id not in told[name]["text"]


def test_a_browser_that_is_not_logged_in_comes_back_from_the_login_to_what_it_asked_for(told):
    assert (told["a browser"]["status"], told["a browser"]["location"]) == (302, TO_LOGIN)
    there = told["a browser at Airflow's login"]
    assert (there["status"], there["location"]) == (307, "/auth/login?next=%2Fnotebooks%2Frun%2Fnb%3Fa%3D1")
