"""A run and its Spark server: what its record says where there is none, and that no own one outlives its run."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from daybook.contract import keys
from daybook.contract.errors import InfrastructureFailed
from daybook.contract.manifest import Reason
from daybook.on_airflow.credentials.of_pod import PodCredentials
from daybook.on_airflow.errors import RunFailed, RunFailedForGood
from daybook.on_airflow.operator import NotebookOperator
from daybook.on_airflow.pod_api import QuotaExceeded
from daybook.on_airflow.spark_servers.servers import Found, SparkRefused, SparkUnavailable
from daybook.on_airflow.spark_servers.trigger import SparkTrigger
from daybook.on_airflow.trigger import RoomTrigger
from daybook.pods.spark import Answers, Starts
from on_airflow.test_pod_task import House, Pods, a_context

OWN = {"spark": {"own": True}}
STARTS = Found("server", "uid", Starts("Spark starts"), "secret")
ANSWERS = Found("server", "uid", Answers("sc://10.0.0.7:15002", "http://10.0.0.7:4040"), "secret")


class Servers:
    """The servers of a cluster: what each `ensure` finds or raises, and which were removed."""

    def __init__(self):
        self.finds, self.removed = [STARTS], []

    def ensure(self, wanted, awaited=None):
        found = self.finds.pop(0)
        if callable(found):
            found = found()
        if isinstance(found, Exception):
            raise found
        return found

    def remove(self, name, namespace, uid):
        self.removed.append((name, namespace, uid))


@pytest.fixture
def servers(monkeypatch):
    found = Servers()
    monkeypatch.setattr("daybook.on_airflow.spark_task.SparkServers", lambda *_: found)
    return found


@pytest.fixture
def pods():
    return Pods()


@pytest.fixture
def house(tmp_path, monkeypatch, pods, servers):
    """A house whose workspace has Spark servers."""
    monkeypatch.setenv("DAYBOOK_CATALOGUE", str(tmp_path))
    monkeypatch.setenv("DAYBOOK_WORKSPACES", str(tmp_path / "workspaces.yaml"))
    monkeypatch.setattr(NotebookOperator, "_pods", pods)
    monkeypatch.setattr(NotebookOperator, "client", None)
    monkeypatch.setattr(
        "airflow.providers.cncf.kubernetes.operators.pod.BaseHook.get_connection",
        lambda _: SimpleNamespace(extra_dejson={}),
    )
    return House(tmp_path, pods, workspace=", spark: {server: {}}")


def back(operator, trigger, why=None):
    """The task comes back from the triggerer."""
    event = {"daybook": trigger.run_reference}
    if isinstance(trigger, SparkTrigger):
        event["spark"] = {"uid": trigger.server["uid"], "why": why}
    return operator.try_again(a_context(), event)


def test_the_triggerer_knows_which_server_is_the_runs_own(house, pods):
    operator, trigger = house.deferred(a_context(), OWN)
    assert isinstance(trigger, SparkTrigger)
    assert (trigger.run_reference["own_spark"], trigger.namespace) == (("server", "uid"), "default")
    assert "Spark starts" in operator._record.read().message
    assert pods.made == []


def test_a_server_hears_of_a_run_before_it_is_looked_at(house, servers):
    """It may be about to end, for nobody has used it for long; the run's client comes only when its pod has started."""
    heard = []

    def ensured():
        heard.append([each.key for each in operator._record.store.objects("spark/sent/")])
        return ANSWERS

    operator, servers.finds = house.operator({}), [ensured]
    with pytest.raises(TaskDeferred):
        operator.execute(a_context())
    ((sent,),) = heard
    assert sent.startswith("spark/sent/daybook-spark-local-")


def test_of_a_shared_one_it_knows_none(house):
    assert house.deferred(a_context())[1].run_reference["own_spark"] is None


def test_the_one_of_a_run_that_waits_for_room_is_known_too(house, pods, servers):
    servers.finds, pods.refusal = [ANSWERS], QuotaExceeded("exceeded quota: team")
    _, trigger = house.deferred(a_context(), OWN)
    assert isinstance(trigger, RoomTrigger)
    assert (trigger.run_reference["own_spark"], trigger.namespace) == (("server", "uid"), "default")


@pytest.mark.parametrize(
    ("error", "reason", "kind"),
    [
        (SparkUnavailable("no usable Java"), Reason.SPARK_UNAVAILABLE, RunFailed),
        (SparkRefused("403 no rights"), Reason.POD_REFUSED, RunFailedForGood),
    ],
)
def test_a_run_whose_server_cannot_be_had_says_why_and_leaves_none(house, pods, servers, error, reason, kind):
    _, trigger = house.deferred(a_context(), OWN)
    servers.finds = [error]
    again = house.operator(OWN)
    with pytest.raises(RunFailed) as caught:
        back(again, trigger)
    sealed = again._record.read()
    assert type(caught.value) is kind
    assert (sealed.reason, sealed.message, sealed.sealed) == (reason, str(error), True)
    assert (servers.removed, pods.made) == ([("server", "default", "uid")], [])


def test_a_run_that_is_refused_while_it_waited_leaves_none(house, servers, tmp_path):
    _, trigger = house.deferred(a_context(), OWN)
    workspaces = tmp_path / "workspaces.yaml"
    workspaces.write_text(workspaces.read_text().replace("'*'", "grace"))
    with pytest.raises(AirflowFailException, match="'ada' is not a member"):
        back(house.operator(OWN), trigger)
    assert servers.removed == [("server", "default", "uid")]


@pytest.mark.parametrize("found", [STARTS, ANSWERS], ids=["starts", "answers"])
def test_a_run_that_is_killed_while_its_server_is_made_leaves_none_and_makes_no_pod(house, pods, servers, found):
    operator = house.operator(OWN, deferrable=False)

    def killed_meanwhile():
        operator.on_kill()
        return found

    servers.finds = [killed_meanwhile]
    with pytest.raises(AirflowException, match="ended before its Spark server was ready"):
        operator.execute(a_context())
    assert (servers.removed, pods.made) == ([("server", "default", "uid")], [])
    assert operator._record.read().sealed


def test_a_kill_that_kubernetes_does_not_answer_ends_the_server_all_the_same(house, pods, servers, monkeypatch):
    operator, _ = house.deferred(a_context(), OWN)

    def away(name, namespace):
        raise InfrastructureFailed("Kubernetes has not answered")

    monkeypatch.setattr(pods, "read", away)
    with pytest.raises(InfrastructureFailed):
        operator.on_kill()
    assert servers.removed == [("server", "default", "uid")]


def test_a_server_without_room_is_waited_for_as_a_pod_is(house, servers):
    servers.finds = [QuotaExceeded("exceeded quota: team")]
    operator, trigger = house.deferred(a_context(), OWN)
    assert isinstance(trigger, RoomTrigger)
    assert "quota for its Spark server: exceeded quota: team" in operator._record.read().message
    servers.finds = [ANSWERS]
    again = house.operator(OWN)
    with pytest.raises(TaskDeferred):
        back(again, trigger)
    assert again._record.read().attempt == 1


@pytest.mark.parametrize("found", [STARTS, QuotaExceeded("exceeded quota: team")], ids=["starts", "no room"])
def test_a_run_that_is_cancelled_as_its_task_begins_to_wait_waits_for_nothing(house, servers, monkeypatch, found):
    servers.finds = [found]
    monkeypatch.setattr("daybook.on_airflow.pod_task.is_cancelled", lambda: True)
    operator = house.operator(OWN)
    with pytest.raises(AirflowException, match="cancelled before its task waited"):
        operator.execute(a_context())
    assert servers.removed == ([("server", "default", "uid")] if found is STARTS else [])
    assert operator._record.read().sealed


@pytest.mark.parametrize("run", [OWN, {}], ids=["own", "shared"])
def test_a_task_that_comes_back_to_its_pod_still_knows_its_server(house, servers, monkeypatch, run):
    """Its first try's worker died while it waited: only the pod itself can tell of the server."""
    served = []
    monkeypatch.setattr(PodCredentials, "serve", lambda _, *server: served.append(server))
    servers.finds = [replace(ANSWERS, credentials="its-secret")]
    _, first = house.deferred(a_context(), run)
    _, again = house.deferred(a_context(try_number=2), run)
    assert len(house.pods.made) == 1
    known = [{name: one.run_reference[name] for name in ("own_spark", "spark_credentials")} for one in (first, again)]
    own = ("server", "uid") if run else None
    assert known == [{"own_spark": own, "spark_credentials": ("server", "its-secret")}] * 2
    assert served == [("server", "its-secret")] * 2


def test_a_pod_of_a_version_that_noted_no_server_is_gone_on_with(house, servers, pods):
    servers.finds = [ANSWERS]
    house.deferred(a_context(), OWN)
    del pods.made[0].metadata.annotations[keys.SPARK_OWN_ANNOTATION]
    _, again = house.deferred(a_context(try_number=2), OWN)
    assert (again.run_reference["own_spark"], len(pods.made)) == (None, 1)
