"""The DAG `spark_servers`: who may have a server started or stopped, and what is done."""

from datetime import UTC, datetime, timedelta

import pytest

from builders import a_workspace
from daybook.contract.errors import InfrastructureFailed, InvalidRequest, NotAllowed
from daybook.contract.keys import SPARK_DAG
from daybook.contract.request import AirflowCoordinates
from daybook.on_airflow.plan import TaskInstance
from daybook.on_airflow.spark_dag import require_member, spark_dag, started, stopped
from daybook.on_airflow.spark_members import decide_on_spark, require_managed
from daybook.on_airflow.vouchers import Errand, issue, now
from daybook.pods.spark import Answers
from daybook.storage import open_store
from daybook.storage.spark_states import sent_to_spark
from daybook.workspaces import Identity, Workspaces
from localpods.really_started import wait_until
from on_airflow.spark_servers.conftest import a_wanted

KEY = "k" * 64
MEMBERS = {"users": ["bob"], "groups": ["geo"]}


def a_task(user="bob", voucher=None):
    where = AirflowCoordinates(dag_id=SPARK_DAG, run_id="manual__1", task_id="server")
    return TaskInstance(where, datetime(2026, 11, 26, tzinfo=UTC), user, voucher)


def a_voucher(workspace, user="eve", dag=SPARK_DAG, groups=("geo",), age=timedelta(0)):
    errand = Errand(user, dag, workspace.name)
    return issue(
        errand, Identity(user, frozenset(groups)), Workspaces(workspaces=(workspace,)), KEY, lambda: now() - age
    )


@pytest.fixture
def research():
    return a_workspace(name="research", members=MEMBERS, spark={"server": {}})


def test_members_pass_by_name_and_by_group(research):
    require_member(research, a_task(), KEY)
    require_member(research, a_task("eve", a_voucher(research)), KEY)


@pytest.mark.parametrize("user", ["eve", None])
def test_strangers_do_not(research, user):
    with pytest.raises(NotAllowed, match="not a member of 'research'"):
        require_member(research, a_task(user), KEY)


def test_a_voucher_counts_for_its_errand_its_user_and_its_time_alone(research):
    other = a_workspace(name="other", namespace="other", members=MEMBERS)
    for voucher in (
        a_voucher(other),
        a_voucher(research, dag="run_notebook"),
        a_voucher(research, user="ada"),
        a_voucher(research, age=timedelta(days=2)),
        "forged",
    ):
        with pytest.raises(NotAllowed):
            require_member(research, a_task("eve", voucher), KEY)
    good = a_voucher(research)
    with pytest.raises(NotAllowed):
        require_member(research, a_task("eve", good), None)


@pytest.mark.parametrize(
    ("spark", "why"), [(None, "has no Spark"), ({"remote": "sc://elsewhere:15002"}, "sc://elsewhere:15002")]
)
def test_there_must_be_a_server_to_start(spark, why):
    with pytest.raises(InvalidRequest, match=why):
        require_managed(a_workspace(name="research", spark=spark))


def test_one_whose_predecessor_still_ends_is_not_said_to_be_started(servers, cluster, tmp_path, monkeypatch):
    wanted = a_wanted("stays")
    made = servers.ensure(wanted)
    cluster.in_phase(wanted.name, "Running")
    wait_until(lambda: "it stands in" in cluster.log(wanted.name))
    servers.remove(made.name, "default", made.uid)
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.GONE_SECONDS", 0.0)
    with pytest.raises(InfrastructureFailed, match="still ends"):
        started(servers, wanted.workspace, open_store(str(tmp_path)))


def test_a_server_is_started_as_a_runs_would_be_and_stopped(servers, cluster, tmp_path):
    wanted, bucket = a_wanted(), open_store(str(tmp_path))
    assert started(servers, wanted.workspace, bucket) == {"started": wanted.name}
    assert sent_to_spark(bucket, wanted.name) is not None, "it counts as used"
    wait_until(lambda: isinstance(servers.ensure(wanted).look, Answers))
    assert started(servers, wanted.workspace, bucket) == {"started": wanted.name}, "one that is there stays"
    assert stopped(servers, cluster.api(), wanted.workspace) == {"stopped": [wanted.name]}
    assert cluster.gone(wanted.name)
    assert stopped(servers, cluster.api(), wanted.workspace) == {"stopped": []}


def test_servers_of_others_and_of_runs_own_stay(servers, cluster):
    wanted, other = a_wanted(), a_wanted(name="other")
    own = a_wanted(owner=("20130101T000000Z-nb-0123456789", 1))
    for each in (wanted, other, own):
        servers.ensure(each)
    assert stopped(servers, cluster.api(), wanted.workspace) == {"stopped": [wanted.name]}
    assert cluster.gone(wanted.name)
    assert {each.metadata.name for each in cluster.api().list_namespaced_pod("default").items} == {other.name, own.name}


def test_the_dag_has_one_task_and_is_asked_for_alone():
    dag = spark_dag()
    assert (dag.dag_id, dag.schedule, list(dag.task_dict)) == (SPARK_DAG, None, ["server"])
    assert dag.params["action"] == "start"


@pytest.fixture
def decide(research):
    found = Workspaces(workspaces=(research, a_workspace(name="standing", namespace="standing")))
    return lambda user, conf: decide_on_spark(found, conf, user, KEY)


def test_a_trigger_of_a_members_passes_with_a_voucher_for_this_errand(decide, research):
    passed = decide(Identity("eve", frozenset({"geo"})), {"workspace": "research", "action": "start"})
    require_member(research, a_task("eve", passed.voucher), KEY)


@pytest.mark.parametrize(
    ("conf", "kind", "words"),
    [
        ({"workspace": "research"}, NotAllowed, "not a member of 'research'"),
        ({"workspace": "standing"}, InvalidRequest, "has no Spark"),
        ({"workspace": "none"}, InvalidRequest, "none"),
        ({"workspace": 1}, InvalidRequest, "must be a name"),
        ({}, InvalidRequest, "must be a name"),
    ],
)
def test_every_other_trigger_is_refused_with_its_reason(decide, conf, kind, words):
    with pytest.raises(kind, match=words):
        decide(Identity("mallory"), conf)
