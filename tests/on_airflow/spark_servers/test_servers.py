"""One server for all who need the same; a failure is told in its own words, and nothing half-made is left."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from daybook.on_airflow.credentials.roles import SessionCredentials
from daybook.on_airflow.pod_api import PodApi, QuotaExceeded
from daybook.on_airflow.spark_servers.servers import Awaited, SparkRefused, SparkServers, SparkUnavailable
from daybook.pods.spark import Answers, Ended, Starts
from localpods.really_started import wait_until
from on_airflow.spark_servers.conftest import a_wanted

NAMESPACE = "default"


class Dies(SparkServers):
    """Whoever has made a pod, and is killed outright before it comes to anything else."""

    def _complete(self, pod, obtained):
        raise KeyboardInterrupt

    def _take_back(self, pod, pods):
        """Not done."""


def answer(status, message=""):
    error = ApiException(status=status, reason="")
    error.body = json.dumps({"kind": "Status", "message": message})
    return error


def failing(api, method, *errors):
    """An API whose next answers to this request are these errors; the last one goes on where it is in a list."""
    really, waiting = getattr(api, method), list(errors)

    def fails(*arguments, **options):
        if not waiting:
            return really(*arguments, **options)
        error = waiting[0][0] if isinstance(waiting[0], list) else waiting.pop(0)
        raise error

    setattr(api, method, fails)
    return api


def impatient(api):
    """Servers of an API that is asked again at once, and not for long."""
    return SparkServers(lambda: api, pods=PodApi(lambda: api, patience_seconds=0, pause_seconds=0))


def answering(servers, wanted, awaited=None):
    def look():
        found = servers.ensure(wanted, awaited)
        return found if isinstance(found.look, Answers) else None

    return wait_until(look)


def what_there_is(api):
    """Names of pods, Secrets and Services."""
    lists = (api.list_namespaced_pod, api.list_namespaced_secret, api.list_namespaced_service)
    return [sorted(one.metadata.name for one in each(NAMESPACE).items) for each in lists]


def test_a_server_is_made_once_and_used_again(servers, cluster):
    wanted = a_wanted()
    first = servers.ensure(wanted)
    assert isinstance(first.look, Starts)
    found = answering(servers, wanted)
    assert servers.ensure(wanted) == found
    assert found.uid == first.uid
    pod = cluster.get(wanted.name)
    assert found.settings.remote == f"sc://{pod['status']['podIP']}:15002"
    assert found.settings.ui == f"http://{pod['status']['podIP']}:4040"
    pods, secrets, services = what_there_is(cluster.api())
    assert (pods, secrets) == ([wanted.name], [found.settings.token.name])
    assert len(services) == 1


def test_however_many_ask_at_once_there_is_one(servers, cluster):
    wanted = a_wanted()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: SparkServers(cluster.api).ensure(wanted), range(8)))
    assert len({one.uid for one in found}) == 1
    assert len({one.secret for one in found}) == 1
    pods, secrets, services = what_there_is(cluster.api())
    assert (len(pods), len(secrets), len(services)) == (1, 1, 1)
    assert answering(servers, wanted).uid == found[0].uid


def test_the_key_lies_in_the_secret_alone(servers, cluster):
    import base64

    found = answering(servers, a_wanted())
    data = cluster.api().read_namespaced_secret(found.secret, NAMESPACE).data
    key = base64.b64decode(data["token"]).decode()
    assert len(key) >= 43
    assert key not in str(cluster.get(found.name))


def test_what_its_maker_left_out_is_made_by_the_next(servers, cluster):
    wanted = a_wanted()
    api = cluster.api()
    with pytest.raises(KeyboardInterrupt):
        Dies(lambda: api).ensure(wanted)
    assert what_there_is(api) == [[wanted.name], [], []]
    assert answering(servers, wanted)


def test_the_key_without_which_no_server_starts_is_made_last(servers, cluster, monkeypatch):
    """A maker may die at any time; whoever finds a server that answers does not complete it."""
    api, there = cluster.api(), []
    really = api.create_namespaced_secret

    def create(namespace, secret):
        there.append((sorted(secret.string_data), *map(len, what_there_is(api)[1:])))
        return really(namespace, secret)

    monkeypatch.setattr(api, "create_namespaced_secret", create)
    session = SessionCredentials("key", "secret", "token", datetime.now(UTC) + timedelta(hours=1))
    SparkServers(lambda: api, lambda _: session).ensure(a_wanted())
    assert len(there) == 2
    assert there[-1] == (["token"], 1, 1)


def test_a_server_that_fails_is_told_with_its_reason_and_leaves_nothing(servers, cluster):
    wanted = a_wanted("fails")
    found = servers.ensure(wanted)
    cluster.finished(wanted.name)
    with pytest.raises(SparkUnavailable, match="no usable Java: it is too old"):
        servers.ensure(wanted, Awaited(found.uid))
    cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_a_server_that_runs_and_never_answers_is_told_with_the_end_of_its_log_and_leaves_nothing(
    servers, cluster, monkeypatch
):
    wanted = a_wanted("hangs")
    found = servers.ensure(wanted)
    cluster.in_phase(wanted.name, "Running")
    wait_until(lambda: "it stands in" in cluster.log(wanted.name))
    never = Ended("it does not answer after 900 s: its container runs, and gives no answer", failed=True)
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.look_at", lambda *_: never)
    with pytest.raises(SparkUnavailable, match=r"does not answer after 900 s.*; its log ends:\nit stands in$"):
        servers.ensure(wanted, Awaited(found.uid))
    assert cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_whoever_waited_for_a_server_that_is_gone_is_told_why(servers, cluster):
    wanted = a_wanted("fails")
    with pytest.raises(SparkUnavailable, match="did not start: no usable Java"):
        servers.ensure(wanted, Awaited("gone", "no usable Java"))
    assert what_there_is(cluster.api()) == [[], [], []]


def test_an_ended_server_is_replaced_for_who_did_not_wait_for_it(servers, cluster):
    wanted = a_wanted("fails")
    first = servers.ensure(wanted)
    cluster.finished(wanted.name)
    assert servers.ensure(wanted).uid != first.uid


def test_a_server_that_nobody_needed_is_replaced(servers, cluster):
    wanted = a_wanted()
    first = answering(servers, wanted)
    uid = cluster.get(wanted.name)["metadata"]["uid"]
    (cluster.state / "pods" / uid / "volumes" / "spark" / "end").touch()
    assert cluster.finished(wanted.name)["status"]["phase"] == "Succeeded"
    second = answering(servers, wanted, Awaited(first.uid))
    assert second.uid != first.uid
    assert second.secret != first.secret


def test_one_on_a_node_that_is_lost_is_deleted_by_force_and_replaced(servers, cluster, monkeypatch):
    wanted, api = a_wanted("stays"), cluster.api()
    first = servers.ensure(wanted)
    cluster.in_phase(wanted.name, "Running")
    wait_until(lambda: "it stands in" in cluster.log(wanted.name))
    servers.remove(first.name, NAMESPACE, first.uid)
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.GONE_SECONDS", 0.0)
    waits = servers.ensure(wanted)
    assert (waits.uid, waits.look) == (first.uid, Ended("its pod is being deleted", failed=False)), (
        "its node may be slow"
    )
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.GONE_SECONDS", 60.0)
    stuck = "daybook.on_airflow.spark_servers.servers.is_stuck"
    monkeypatch.setattr(stuck, lambda pod, now: pod.metadata.deletion_timestamp is not None)
    really, asked = api.delete_namespaced_pod, []

    def delete(name, namespace, body):
        asked.append((body.grace_period_seconds, body.preconditions.uid))
        return really(name, namespace, body=body)

    monkeypatch.setattr(api, "delete_namespaced_pod", delete)
    assert SparkServers(lambda: api).ensure(wanted).uid != first.uid
    assert asked == [(0, first.uid)]


def test_one_that_stays_even_when_it_is_deleted_by_force_is_waited_for_no_more(servers, cluster, monkeypatch):
    """A finalizer of somebody's holds it."""
    wanted, api = a_wanted("stays"), cluster.api()
    servers.ensure(wanted)
    cluster.in_phase(wanted.name, "Running")
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.GONE_SECONDS", 0.0)
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.is_stuck", lambda *_: True)
    monkeypatch.setattr(
        "daybook.on_airflow.spark_servers.servers.look_at", lambda *_: Ended("its pod is being deleted", failed=False)
    )
    monkeypatch.setattr(api, "delete_namespaced_pod", lambda *_, **__: None)
    with pytest.raises(SparkUnavailable, match="deleted by force, and is still there"):
        SparkServers(lambda: api).ensure(wanted)


def test_another_configuration_is_another_server_beside_the_first(servers, cluster):
    one, other = a_wanted(), a_wanted(settings={"spark.sql.shuffle.partitions": 3})
    assert one.name != other.name
    first, second = answering(servers, one), answering(servers, other)
    assert first.uid != second.uid
    assert servers.ensure(one) == first


def test_a_server_ends_with_what_belongs_to_it_and_only_itself(servers, cluster):
    found = answering(servers, a_wanted())
    servers.remove(found.name, NAMESPACE, "another")
    assert servers.ensure(a_wanted()) == found
    servers.remove(found.name, NAMESPACE, found.uid)
    cluster.gone(found.name)
    assert what_there_is(cluster.api()) == [[], [], []]


BELONGINGS = ("create_namespaced_secret", "create_namespaced_service")
NO_ROOM = 'secrets "s" is forbidden: exceeded quota: team, requested: {0}=1, used: {0}=9, limited: {0}=9'
TOO_MUCH = 'secrets "s" is forbidden: exceeded quota: team, requested: {0}=1, used: {0}=0, limited: {0}=0'
CLASH = 'Operation cannot be fulfilled on resourcequotas "team": the object has been modified'


def clash():
    error = answer(409, CLASH)
    error.body = json.dumps({"kind": "Status", "message": CLASH, "reason": "Conflict"})
    return error


@pytest.mark.parametrize(
    "error",
    [answer(503), answer(429), answer(500), ProtocolError("away"), clash()],
    ids=["503", "429", "500", "no connection", "clash"],
)
def test_an_api_that_is_away_for_a_moment_is_asked_again(cluster, servers, error):
    api = cluster.api()
    for method in BELONGINGS:
        failing(api, method, error, error)
    patient = SparkServers(lambda: api, pods=PodApi(lambda: api, pause_seconds=0))
    patient.ensure(a_wanted())
    assert [len(each) for each in what_there_is(cluster.api())] == [1, 1, 1]


@pytest.mark.parametrize("method", BELONGINGS)
@pytest.mark.parametrize("error", [answer(503), ProtocolError("away")], ids=["503", "no connection"])
def test_one_that_stays_away_is_told_and_keeps_no_pod(cluster, servers, method, error):
    wanted = a_wanted()
    with pytest.raises(SparkUnavailable, match=rf"has not answered .*; Spark server {wanted.name} was not completed"):
        impatient(failing(cluster.api(), method, [error])).ensure(wanted)
    assert cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_what_failed_is_told_also_where_the_pod_cannot_be_taken_away(cluster, servers, caplog):
    api = failing(cluster.api(), "create_namespaced_service", answer(403, "no Services here"))
    failing(api, "delete_namespaced_pod", [answer(503)])
    with pytest.raises(SparkRefused, match="no Services here"):
        impatient(api).ensure(a_wanted())
    assert "is not complete, and stays" in caplog.text


@pytest.mark.parametrize("method", BELONGINGS)
@pytest.mark.parametrize("stop", [AirflowTaskTimeout("Timeout"), SystemExit(143)], ids=["by time", "by a signal"])
def test_whoever_is_stopped_while_it_makes_a_server_keeps_no_pod(cluster, servers, method, stop):
    wanted = a_wanted()
    with pytest.raises(type(stop)):
        SparkServers(lambda: failing(cluster.api(), method, stop)).ensure(wanted)
    assert cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_whoever_is_stopped_waits_for_no_api_that_is_away(cluster, servers, monkeypatch, caplog):
    """Its patience is what is waited for otherwise: minutes."""
    monkeypatch.setattr("daybook.on_airflow.spark_servers.servers.STOPPED_SECONDS", 0.0)
    api = failing(cluster.api(), "create_namespaced_secret", AirflowTaskTimeout("Timeout"))
    failing(api, "delete_namespaced_pod", [answer(503)])
    with pytest.raises(AirflowTaskTimeout):
        SparkServers(lambda: api).ensure(a_wanted())
    assert "is not complete, and stays" in caplog.text


@pytest.mark.parametrize("method", [*BELONGINGS, "create_namespaced_pod"])
def test_without_room_nothing_is_kept_and_it_is_made_once_there_is(cluster, servers, method):
    wanted, api = a_wanted(), cluster.api()
    failing(api, method, answer(403, NO_ROOM.format("count/secrets")))
    with pytest.raises(QuotaExceeded, match="exceeded quota: team"):
        impatient(api).ensure(wanted)
    assert cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]
    assert isinstance(impatient(api).ensure(wanted).look, Starts)


@pytest.mark.parametrize("method", [*BELONGINGS, "create_namespaced_pod"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("User cannot create resource", "403 User cannot create resource"),
        (TOO_MUCH.format("count/secrets"), r"more than the namespace's whole quota has \(count/secrets: 1 of 0\)"),
    ],
    ids=["rights", "quota"],
)
def test_what_is_forbidden_is_told_in_kubernetes_words_helps_no_retry_and_keeps_no_pod(
    cluster, servers, method, words, told
):
    wanted = a_wanted()
    with pytest.raises(SparkRefused, match=f"Kubernetes refuses .*Spark server {wanted.name}.*{told}") as caught:
        impatient(failing(cluster.api(), method, answer(403, words))).ensure(wanted)
    assert not caught.value.retry_helps
    assert cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


@pytest.mark.parametrize("method", BELONGINGS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(403, "User cannot create resource"), SparkRefused),
        (answer(403, NO_ROOM.format("count/secrets")), QuotaExceeded),
        (answer(503), SparkUnavailable),
    ],
    ids=["rights", "quota", "503"],
)
def test_who_cannot_complete_anothers_server_leaves_it_to_its_maker(cluster, servers, method, error, kind):
    wanted = a_wanted()
    with pytest.raises(KeyboardInterrupt):
        Dies(cluster.api).ensure(wanted)
    uid = cluster.get(wanted.name)["metadata"]["uid"]
    with pytest.raises(kind):
        impatient(failing(cluster.api(), method, [error])).ensure(wanted)
    assert cluster.get(wanted.name)["metadata"]["uid"] == uid
    assert answering(servers, wanted).uid == uid


@pytest.mark.parametrize("lags", [False, True], ids=["collected before", "collected after"])
def test_a_replaced_server_has_its_service_whenever_the_old_ones_is_collected(cluster, servers, lags):
    """Kubernetes collects what a pod owned at some time after the pod."""
    wanted, api = a_wanted(), cluster.api()
    first = servers.ensure(wanted)
    (old,) = api.list_namespaced_service(NAMESPACE).items
    servers.remove(first.name, NAMESPACE, first.uid)
    cluster.gone(first.name)
    if lags:
        old.metadata.owner_references = old.metadata.resource_version = None  # else it is collected here at once
        api.create_namespaced_service(NAMESPACE, old)
    second = servers.ensure(wanted)
    if lags:
        api.delete_namespaced_service(old.metadata.name, NAMESPACE)
    (service,) = api.list_namespaced_service(NAMESPACE).items
    assert [owner.uid for owner in service.metadata.owner_references] == [second.uid]
    labels = cluster.get(wanted.name)["metadata"]["labels"]
    assert service.spec.selector.items() <= labels.items()
